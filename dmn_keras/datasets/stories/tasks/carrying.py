"""What is a person carrying, and how many objects is it? Whatever came into their hands and has not left them."""

from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import HANDLING, Question

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def counting(world):
    """Ask how many objects somebody is carrying, up to ten; all numbers that can be reached have equal chances.

    The supporting facts are as in `lists`.
    """
    person, things, support = _carry(world)
    return Question(f"How many objects is {person} carrying?", (NUMBERS[len(things)],), support)


def lists(world):
    """Ask what somebody is carrying; the answer names the objects in the order they got them, or "nothing".

    There is one supporting fact for each part of the answer, in the same order: the fact of how the person
    got that object. For "nothing" it is the fact that emptied their hands.
    """
    person, things, support = _carry(world)
    return Question(f"What is {person} carrying?", things or ("nothing",), support)


def _carry(world):
    """Tell a story of a person with some objects in their hands; return both, and how they got there."""
    draws, person = world.draws, world.draws.choice(world.people)
    goal = draws.randbelow(min(len(world.objects), world.num_facts - 1, len(NUMBERS) - 1) + 1)
    peak = _peak(world, goal)
    # To fetch takes two facts at most, to drop takes one.
    world.pause(reserve=max(3 * peak - goal, len(world.objects) - goal))
    world.rest(person)
    things = world.hands.setdefault(person, [])
    while len(things) < peak:
        world.fetch(person, draws.choice([thing for thing in world.objects if thing not in things]))
        world.pause(reserve=2 * (peak - len(things)) + peak - goal)
    while len(things) > goal:
        world.drop(person, draws.choice(things))
        world.pause(reserve=len(things) - goal)
    world.fill()
    support = [world.gained[thing] for thing in things] or [world.lost[person]]
    return person, tuple(things), tuple(support)


def _peak(world, goal):
    """Return how many objects to hold before `goal`: often one more, so that what was taken is not what is held.

    Empty hands always come of having held something.
    """
    possible = goal < len(world.objects) and goal + 3 <= world.num_facts  # a move, the takes, and a drop
    return goal + 1 if goal == 0 or (possible and world.draws.coin()) else goal


COUNTING = StoryTask(counting, usual_facts=(4, 14), least_facts=3, least_people=2, actions=HANDLING)
LISTS = StoryTask(lists, usual_facts=(4, 14), least_facts=3, least_people=2, actions=HANDLING)
