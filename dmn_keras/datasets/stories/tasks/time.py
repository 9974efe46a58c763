"""Where was a person before or after they were at a place? The parts of a day, in any order."""

from dmn_keras.datasets.stories.names import PEOPLE
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question

DAY = ("At dawn", "In the morning", "At noon", "In the afternoon", "In the evening", "At night")


def build(world):
    """Ask where somebody was next before, or next after, a place.

    A person is never at one place twice, and there are as many people as that takes. The supporting facts are
    their visit to the place in the question, and their visit in the answer.
    """
    draws = world.draws
    longest = min(len(DAY), len(world.places))
    # The one fact more than there are people makes sure that somebody has two.
    num_people = max(-(-world.num_facts // longest), min(len(world.people), world.num_facts - 1))
    people = PEOPLE.choose(draws, num_people, len(world.people))
    visits = [("move at", *visit) for person in people for visit in _day(world, person, longest)]
    visits = draws.sample(visits, world.num_facts)
    days = {person: [] for person in people}
    for index, (_, when, person, place) in zip(world.add_shuffled_facts(visits), visits, strict=True):
        days[person].append((DAY.index(when), index, place))
    person = draws.choice([person for person in people if len(days[person]) > 1])
    day = sorted(days[person])
    first = draws.randbelow(len(day) - 1)
    pair, word = day[first : first + 2], draws.choice(("before", "after"))
    (_, answer, place), (_, asked, anchor) = pair if word == "before" else pair[::-1]
    return Question(f"Where was {person} {word} the {anchor}?", (place,), (asked, answer))


def _day(world, person, length):
    """Return `length` visits `(when, person, place)` at different times and places."""
    times = world.draws.sample(DAY, length)
    places = world.draws.sample(world.places, length)
    return [(when, person, place) for when, place in zip(times, places, strict=True)]


TASK = StoryTask(build, usual_facts=(3, 12), least_facts=2)
