"""Where is a person? Where they went last."""

from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question


def build(world):
    """Ask where somebody is; the supporting fact is their latest move."""
    person = world.draws.choice(world.people)
    world.pause(reserve=1)
    move = world.move(person)
    world.rest(person)
    world.fill()
    return Question(f"Where is {person}?", (world.at[person],), (move,))


TASK = StoryTask(build, usual_facts=(2, 10), least_people=2)
