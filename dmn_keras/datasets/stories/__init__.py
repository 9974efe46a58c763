"""Stories of a little world, generated: the dataset that needs no download.

People move about and take, drop and give objects; places lie on a map; trades have customs; days have parts.
`generate` asks one question of each story.
"""

from dmn_keras.datasets.stories.generator import SPLITS, generate
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.tasks import TASKS

__all__ = ["SPLITS", "TASKS", "StoryTask", "generate"]
