"""Where was an object before it came to a place? Where its holder was before going there."""

from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import HANDLING, Question


def build(world):
    """Ask where an object was before its latest arrival at a place.

    The supporting facts are the one that gave the object to the person who brought it there (they took it or
    were given it), that person's move there, and their move before that.
    """
    draws = world.draws
    (first, person), thing = draws.sample(world.people, 2), draws.choice(world.objects)
    world.pause(reserve=6)
    if world.facts_left >= 5 and draws.coin():
        world.fetch(first, thing)
    gain = world.fetch(person, thing)
    world.keep(thing)
    world.pause(reserve=2)
    before, origin = world.moved[person], world.at[person]
    arrival = world.move(person)
    place = world.at[person]
    world.rest(person)
    world.pause(reserve=1)
    if world.facts_left and draws.coin():
        world.move(person)  # the place asked for need not be where the object is now
    world.fill()
    return Question(f"Where was the {thing} before the {place}?", (origin,), (gain, arrival, before))


TASK = StoryTask(build, usual_facts=(5, 16), least_facts=3, least_people=2, actions=HANDLING)
