"""Where is an object? Where its holder went last, or where they were when they dropped it."""

from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import HANDLING, Question


def build(world):
    """Ask where an object is.

    The supporting facts are the latest fact about the object (taken, given or dropped), which names a person,
    and that person's latest move: for a dropped object the latest before they dropped it.
    """
    draws = world.draws
    (first, person), thing = draws.sample(world.people, 2), draws.choice(world.objects)
    world.pause(reserve=5)
    if world.facts_left >= 4 and draws.coin():
        world.fetch(first, thing)  # so that the next one is given it
    event = world.fetch(person, thing)
    world.keep(thing)
    world.pause(reserve=1)
    deed = draws.choice(("drop", "move", "stay")) if world.facts_left else "stay"
    if deed == "drop":
        event = world.drop(person, thing)
    elif deed == "move":
        world.move(person)
    place, move = world.at[person], world.moved[person]
    if deed != "drop":
        world.rest(person)
    world.fill()
    return Question(f"Where is the {thing}?", (place,), (event, move))


TASK = StoryTask(build, usual_facts=(4, 14), least_facts=2, least_people=2, actions=HANDLING)
