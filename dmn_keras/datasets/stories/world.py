"""The little world: who and what is where, and the facts about it so far."""

from typing import NamedTuple

from dmn_keras.datasets.stories.phrases import FORMS


class Fact(NamedTuple):
    """A sentence and its meaning: a kind of `FORMS` and the names it holds of."""

    sentence: str
    kind: str
    names: tuple[str, ...]


class Question(NamedTuple):
    """A question about the world, its answer, and the facts it follows from in the order of reasoning."""

    text: str
    answer: tuple[str, ...]
    supporting_facts: tuple[int, ...]


class World:
    """People who move between places, and take, drop and give objects, one fact at a time.

    A task directs the events its question will need (`move`, `fetch`, ...) and lets the people do as they
    please in between (`pause`, `fill`), where they do the same kinds of things. `rest` and `keep` protect
    what the question is about. Each method that makes facts happen takes constant time a fact, and
    returns the index of the last fact it added.

    Args:
        draws: The `Random` that make all choices.
        actions: What the people do of their own will: functions of a world and a person who has a place.
        num_facts: Number of facts the story is to have.
        people: The people's names.
        places: The places' names, at least 2.
        objects: The objects' names.

    Attributes:
        facts: The facts so far.
        at: For each person who has moved the place they are at; for each object that was touched the person
            who holds it or the place it lies at.
        hands: For each person who ever held an object, those they hold, in the order they got them.
        moved: For each person the fact of their latest move.
        gained: For each object the fact that brought it to its latest holder.
        lost: For each person the latest fact of an object leaving their hands.
    """

    def __init__(self, draws, actions, *, num_facts, people, places, objects):
        self.draws, self.actions, self.num_facts = draws, actions, num_facts
        self.people, self.places, self.objects = people, places, objects
        self.facts, self.at, self.hands = [], {}, {}
        self.moved, self.gained, self.lost = {}, {}, {}
        self._awake, self._kept = self.people, None

    @property
    def facts_left(self):
        """Number of facts that are still to come."""
        return self.num_facts - len(self.facts)

    # What can happen. Whoever calls these sees to it that it is possible.

    def add_fact(self, kind, *names):
        """Add a fact, in one of the surface forms of its kind."""
        self.facts.append(Fact(self.draws.choice(FORMS[kind]).format(*names), kind, names))
        return len(self.facts) - 1

    def add_shuffled_facts(self, meanings):
        """Add facts `(kind, *names)` in random order, and return the index that each got."""
        indexes = [0] * len(meanings)
        for i in self.draws.sample(range(len(meanings)), len(meanings)):
            indexes[i] = self.add_fact(*meanings[i])
        return indexes

    def move(self, person, place=None, *, pronoun=None):
        """Move `person` to `place`, by default to any other than where they are; say `pronoun` if given."""
        place = place or self.draws.choice_except(self.places, self.at.get(person))
        fact = self.add_fact("move on", pronoun, place) if pronoun else self.add_fact("move", person, place)
        self.at[person], self.moved[person] = place, fact
        return fact

    def take(self, person, thing):
        """Let `person` take `thing`, which lies where they are or which nobody has touched."""
        return self._gain(self.add_fact("take", person, thing), person, thing)

    def drop(self, person, thing):
        """Let `person` drop `thing`, which they hold."""
        self.at[thing] = self.at[person]
        return self._lose(self.add_fact("drop", person, thing), person, thing)

    def give(self, person, thing, friend):
        """Let `person` give `thing`, which they hold, to `friend`, who is at the same place."""
        fact = self._lose(self.add_fact("give", person, thing, friend), person, thing)
        return self._gain(fact, friend, thing)

    def fetch(self, person, thing):
        """Bring `thing` into the hands of `person` in two facts at most; return the fact that did it."""
        owner = self.at.get(thing)  # a person, a place, or None as long as nobody has touched it
        if owner == person:
            return self.gained[thing]
        place = self.at.get(owner, owner)
        if person not in self.at or place not in (None, self.at[person]):
            self.move(person, place)
        return self.give(owner, thing, person) if owner in self.hands else self.take(person, thing)

    # What happens of itself.

    def rest(self, person):
        """From now on let `person` do nothing of their own will, nor get anything; another must stay awake."""
        self._awake = tuple(other for other in self._awake if other != person)

    def keep(self, thing):
        """From now on let nobody take, drop or give `thing` of their own will."""
        self._kept = thing

    def pause(self, reserve):
        """Let a random number of facts happen, but leave `reserve` of them (or all, if fewer are left)."""
        self._live(self.draws.randbelow(max(self.facts_left - reserve, 0) + 1))

    def fill(self):
        """Let the rest of the facts happen."""
        self._live(self.facts_left)

    def handle(self, person):
        """Let `person` take, drop or give an object at random; if nothing can be done with it they move."""
        thing = self.draws.choice(self.objects)
        if thing == self._kept:
            return self.move(person)
        if self.at.get(thing) == person:
            friend = self.draws.choice(self._awake)
            meet = friend != person and self.at.get(friend) == self.at[person]
            return self.give(person, thing, friend) if meet else self.drop(person, thing)
        in_reach = self.at.get(thing) in (None, self.at[person])
        return self.take(person, thing) if in_reach else self.move(person)

    def _live(self, num_facts):
        for _ in range(num_facts):
            person = self.draws.choice(self._awake)
            if person in self.at:
                self.draws.choice(self.actions)(self, person)
            else:
                self.move(person)

    def _gain(self, fact, person, thing):
        self.at[thing], self.gained[thing] = person, fact
        self.hands.setdefault(person, []).append(thing)
        return fact

    def _lose(self, fact, person, thing):
        self.hands[person].remove(thing)
        self.lost[person] = fact
        return fact


MOVING = (World.move,)
HANDLING = (World.move, World.handle)
