"""What makes up a task: how its stories are built, and how large they are."""

from collections.abc import Callable
from dataclasses import dataclass

from dmn_keras.datasets.stories.world import MOVING, Question, World


@dataclass(frozen=True)
class StoryTask:
    """A family of stories with one kind of question.

    Attributes:
        build: Function that adds `world.num_facts` facts to a fresh `World` and returns a `Question`.
        usual_facts: Least and greatest number of facts of a story, unless the caller says otherwise.
        least_facts: Number of facts below which the question cannot be asked.
        least_people: Number of people likewise: one person may act while another rests.
        actions: What the people of its world do of their own will.
    """

    build: Callable[[World], Question]
    usual_facts: tuple[int, int]
    least_facts: int = 1
    least_people: int = 1
    actions: tuple[Callable, ...] = MOVING

    @property
    def least(self) -> dict[str, int]:
        """The least sizes that are possible, by argument of `generate`."""
        return {
            "num_facts": self.least_facts,
            "num_people": self.least_people,
            "num_places": 2,
            "num_objects": 1,
        }
