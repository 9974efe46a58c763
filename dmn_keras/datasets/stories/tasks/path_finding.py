"""How do you go from a place to another? By the roads of a map that sentences describe."""

from collections import defaultdict

from dmn_keras.datasets.stories.names import PLACES
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question

COMPASS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
OPPOSITE = {"north": "south", "east": "west", "south": "north", "west": "east"}


def build(world):
    """Ask the way between two places, two steps apart; the answer is the two directions in walking order.

    The map is a tree on a grid, so there is one way only. It has one place more than there are facts, drawn
    from the world's places or, if these are too few, from as many as it takes. The supporting facts are the
    two roads in walking order; each is described from one of its ends.
    """
    draws, size = world.draws, world.num_facts + 1
    roads = draw_map(draws, PLACES.choose(draws, size, len(world.places)))
    indexes = world.add_shuffled_facts([_either_way(draws, *road) for road in roads])
    steps = defaultdict(list)  # place: the neighbour, its direction and the fact, for each road there
    for index, (place, direction, neighbour) in zip(indexes, roads, strict=True):
        steps[place].append((neighbour, direction, index))
        steps[neighbour].append((place, OPPOSITE[direction], index))
    middle = draws.choice([place for place in steps if len(steps[place]) > 1])
    (start, back, first), (goal, onward, second) = draws.sample(steps[middle], 2)
    question = f"How do you go from the {start} to the {goal}?"
    return Question(question, (OPPOSITE[back], onward), (first, second))


def draw_map(draws, places):
    """Return roads `(place, direction, neighbour)` that join all `places` without a circle.

    The map grows on a grid by one free cell beside a taken one. A side of a cell is looked at once, so that
    the time is linear in the number of places.
    """
    taken, roads = {(0, 0): places[0]}, []
    sides = [((0, 0), direction) for direction in COMPASS]
    while len(taken) < len(places):
        i = draws.randbelow(len(sides))
        sides[i], sides[-1] = sides[-1], sides[i]
        (x, y), direction = sides.pop()
        cell = x + COMPASS[direction][0], y + COMPASS[direction][1]
        if cell not in taken:
            roads.append((taken[x, y], direction, places[len(taken)]))
            taken[cell] = places[len(taken)]
            sides += [(cell, direction) for direction in COMPASS]
    return roads


def _either_way(draws, place, direction, neighbour):
    if draws.coin():
        return "lie", neighbour, direction, place
    return "lie", place, OPPOSITE[direction], neighbour


TASK = StoryTask(build, usual_facts=(3, 8), least_facts=2)
