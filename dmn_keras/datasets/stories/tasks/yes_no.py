"""Is a person at a place? It is where they went last, or it is not."""

from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question


def build(world):
    """Ask whether somebody is at a place; the supporting fact is their latest move.

    Yes and no have equal chances. A wrong place is, if there is one, a place where another person is, so
    that having been mentioned does not speak for a place.
    """
    person = world.draws.choice(world.people)
    world.pause(reserve=1)
    move = world.move(person)
    world.rest(person)
    world.fill()
    here, yes = world.at[person], world.draws.coin()
    elsewhere = [place for place in world.at.values() if place != here] or world.places
    place = here if yes else world.draws.choice_except(elsewhere, here)
    return Question(f"Is {person} in the {place}?", ("yes" if yes else "no",), (move,))


TASK = StoryTask(build, usual_facts=(2, 10), least_people=2)
