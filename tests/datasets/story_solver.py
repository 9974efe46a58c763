"""An independent little solver: reads sentences by its own patterns and reasons from what they say.

It knows nothing of how the stories are made. It answers None where the sentences it is given do not tell, and
raises `ContradictionError` where they cannot all be true.
"""

import collections
import re

GO = "(?:went|walked|moved|hurried|headed) to the"
COUNT = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIRECTIONS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
HOURS = ("At dawn", "In the morning", "At noon", "In the afternoon", "In the evening", "At night")

SENTENCES = {
    "pronoun": re.compile(rf"(?:Then|Afterwards) (he|she) {GO} (\w+)\."),
    "visit": re.compile(rf"({'|'.join(HOURS)}) (\w+) {GO} (\w+)\."),
    "go": re.compile(rf"(\w+) {GO} (\w+)\."),
    "get": re.compile(r"(\w+) (?:took|picked up|grabbed) the (\w+)\."),
    "lose": re.compile(r"(\w+) (?:dropped|put down|left) the (\w+)(?: behind)?\."),
    "hand": re.compile(r"(\w+) (?:gave|handed|passed) the (\w+) to (\w+)\."),
    "border": re.compile(r"The (\w+) (?:is|lies) (north|south|east|west) of the (\w+)\."),
    "custom": re.compile(r"(?:Every|Each) (\w+) owns a (\w+)\."),
    "trade": re.compile(r"(\w+) (?:is|works as) a (\w+)\."),
    "colour": re.compile(r"(\w+) (?:wears|is dressed in) (\w+)\."),
}


class ContradictionError(Exception):
    pass


class UnreadableError(Exception):
    pass


def read(sentence):
    """Return the kind of a sentence and its names."""
    matches = [(kind, match.groups()) for kind, p in SENTENCES.items() if (match := p.fullmatch(sentence))]
    if len(matches) != 1:
        raise UnreadableError(f"{sentence!r} reads as {matches}")
    return matches[0]


def solve(sentences, question):
    """Return the answer as a tuple of words, or None if the sentences do not tell."""
    facts = [read(sentence) for sentence in sentences]
    for pattern, answer in QUESTIONS.items():
        if match := re.fullmatch(pattern, question):
            found = answer(facts, *match.groups())
            return (found,) if isinstance(found, str) else found
    raise UnreadableError(question)


class Movie:
    """Plays events and keeps every trail: where each person is, whose each thing is, and where it has been."""

    def __init__(self, facts):
        self.place, self.owner, self.floor = {}, {}, {}
        self.hands = collections.defaultdict(list)
        self.trail = collections.defaultdict(list)
        self.heard_of_hands = set()
        self.subject = None
        for kind, names in facts:
            getattr(self, kind)(*names)

    def go(self, person, place):
        self.check(self.place.get(person) != place, person, "is there already")
        self.place[person] = place
        for thing in self.hands[person]:
            self.trail[thing].append(place)
        self.subject = person

    def pronoun(self, word, place):
        if self.subject is not None:
            self.check((word == "she") == self.subject.endswith("a"), word, "is not", self.subject)
            self.go(self.subject, place)
        self.subject = None

    def get(self, person, thing):
        floor = self.floor.pop(thing, None)
        self.check(thing not in self.owner, thing, "is in somebody's hands")
        self.check(None in (floor, self.place.get(person)) or floor == self.place[person], thing, "is elsewhere")
        self.receive(person, thing)

    def receive(self, person, thing):
        self.owner[thing] = person
        self.hands[person].append(thing)
        self.heard_of_hands.add(person)
        place = self.place.get(person)
        if not self.trail[thing] or self.trail[thing][-1] != place:
            self.trail[thing].append(place)

    def lose(self, person, thing):
        self.check(self.owner.pop(thing, person) == person, person, "does not hold", thing)
        self.heard_of_hands.add(person)
        if thing in self.hands[person]:
            self.hands[person].remove(thing)
        self.floor[thing] = self.place.get(person)

    def hand(self, giver, thing, taker):
        places = self.place.get(giver), self.place.get(taker)
        self.check(None in places or places[0] == places[1], giver, "and", taker, "are apart")
        self.lose(giver, thing)
        self.floor.pop(thing)
        self.receive(taker, thing)

    @staticmethod
    def check(condition, *words):
        if not condition:
            raise ContradictionError(" ".join(words))


def where_is(facts, name):
    movie = Movie(facts)
    if name in movie.owner:
        name = movie.owner[name]
    return movie.place.get(name, movie.floor.get(name))


def where_before(facts, thing, place):
    trail = Movie(facts).trail[thing]
    arrivals = [i for i, stop in enumerate(trail) if stop == place and i > 0]
    return trail[arrivals[-1] - 1] if arrivals else None


def is_in(facts, person, place):
    here = Movie(facts).place.get(person)
    return None if here is None else "yes" if here == place else "no"


def carrying(facts, person):
    movie = Movie(facts)
    return tuple(movie.hands[person]) or ("nothing",) if person in movie.heard_of_hands else None


def how_many(facts, person):
    things = carrying(facts, person)
    return None if things is None else COUNT[0 if things == ("nothing",) else len(things)]


def way(facts, start, goal):
    """Search breadth first."""
    doors = collections.defaultdict(dict)
    for _, (place, direction, other) in facts:
        for here, towards, there in ((other, direction, place), (place, OPPOSITE[direction], other)):
            if doors[here].setdefault(towards, there) != there:
                raise ContradictionError(f"two places {towards} of {here}")
    paths, queue = {start: ()}, [start]
    for here in queue:
        for towards, there in doors[here].items():
            if there not in paths:
                paths[there] = (*paths[here], towards)
                queue.append(there)
    return paths.get(goal)


def lay_out(sentences):
    """Return the place at each cell of the grid that the map's sentences describe."""
    neighbours = collections.defaultdict(list)
    for _, (place, direction, other) in map(read, sentences):
        x, y = DIRECTIONS[direction]
        neighbours[other].append((place, x, y))
        neighbours[place].append((other, -x, -y))
    start = next(iter(neighbours))
    cells, queue = {start: (0, 0)}, [start]
    for here in queue:
        for there, x, y in neighbours[here]:
            cell = cells[here][0] + x, cells[here][1] + y
            if there not in cells:
                cells[there] = cell
                queue.append(there)
            elif cells[there] != cell:
                raise ContradictionError(f"{there} is at two cells")
    if len(set(cells.values())) < len(cells):
        raise ContradictionError("two places at one cell")
    return cells


def owns(facts, person):
    trades = {names[0]: names[1] for kind, names in facts if kind == "trade"}
    customs = {names[0]: names[1] for kind, names in facts if kind == "custom"}
    return customs.get(trades.get(person))


def wears(facts, person):
    trades = {names[0]: names[1] for kind, names in facts if kind == "trade"}
    worn = {trades.get(names[0]): names[1] for kind, names in facts if kind == "colour"}
    return worn.get(trades[person]) if person in trades else None


def where_next(facts, person, word, place):
    day = sorted((HOURS.index(names[0]), names[2]) for _, names in facts if names[1] == person)
    places = [stop for _, stop in day]
    if len(set(places)) < len(day) or len({hour for hour, _ in day}) < len(day):
        raise ContradictionError(f"{person} is twice at a place, or at one time at two")
    if place not in places:
        return None
    i = places.index(place) + (1 if word == "after" else -1)
    return places[i] if 0 <= i < len(places) else None


QUESTIONS = {
    r"Where is (?:the )?(\w+)\?": where_is,
    r"Where was the (\w+) before the (\w+)\?": where_before,
    r"Is (\w+) in the (\w+)\?": is_in,
    r"What is (\w+) carrying\?": carrying,
    r"How many objects is (\w+) carrying\?": how_many,
    r"How do you go from the (\w+) to the (\w+)\?": way,
    r"What does (\w+) own\?": owns,
    r"What colour does (\w+) wear\?": wears,
    r"Where was (\w+) (before|after) the (\w+)\?": where_next,
}
