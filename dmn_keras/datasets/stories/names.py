"""Names of people, places, objects and trades, which never run out.

After the built-in words come made-up ones, spelled from their number (`beba`, `bebe`, `bebi`, ...) with an
ending that tells what they name, so that no name stands for two things. Common nouns begin with a
consonant, so that "a" fits them all.
"""

import functools

SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")


class Names:
    """An endless list of names of one kind.

    Args:
        words: The built-in names, which come first, in one text.
        endings: The endings of the made-up names, used in turn.
        capital: Whether the made-up names begin with a capital.
    """

    def __init__(self, words, *endings, capital=False):
        self.words = tuple(words.split())
        self.endings = endings
        self.capital = capital

    def first(self, count):
        """Return a tuple of the first `count` names; a larger `count` only adds names at its end."""
        return _first(self, count)

    def choose(self, draws, count, among=None):
        """Return a list of `count` names in random order, drawn from the first ones.

        Args:
            draws: The `Random` that make the choice.
            count: Number of names.
            among: Number of names to draw from, the built-in ones if None; `count` if that is more.
        """
        among = len(self.words) if among is None else among
        return draws.sample(self.first(max(count, among)), count)

    def made_up(self, number):
        """Return the made-up name of a number from 0."""
        number, ending = divmod(number, len(self.endings))
        stem, rest = "", number + len(SYLLABLES)  # from there on a number has two digits, here: syllables
        while rest:
            rest, digit = divmod(rest, len(SYLLABLES))
            stem = SYLLABLES[digit] + stem
        return (stem.capitalize() if self.capital else stem) + self.endings[ending]


@functools.lru_cache(maxsize=64)
def _first(names, count):
    made_up = (names.made_up(number) for number in range(count - len(names.words)))
    return names.words[:count] + tuple(made_up)


# Women and men take turns; a woman's name ends in "a" and a man's does not (see `pronoun`).
PEOPLE = Names(
    "Anna Ben Clara David Emma Felix Greta Hugo Julia Jonas Laura Leo Nora Oscar Vera Victor",
    "na",
    "ro",
    capital=True,
)
PLACES = Names("kitchen garden library cellar workshop bedroom stable balcony hallway bakery tower harbour", "ford")
OBJECTS = Names("lantern pear book coin kettle feather hammer ribbon violin candle basket map", "let")
TRADES = Names("baker painter sailor doctor farmer weaver miner tailor fisher gardener hunter clerk", "smith")
COLOURS = ("red", "blue", "green", "yellow", "white", "black")


def pronoun(person):
    """Return the pronoun that stands for one of `PEOPLE`."""
    return "she" if person.endswith("a") else "he"
