"""The same questions with other names, for models that should reason and not know the names.

`rename` exchanges names in stories, questions and answers, so that every answer follows as before. What the names
of a data set are is given: nothing is guessed from its language.

- Names exchanged between tasks (sys-bAbI): `rename(examples, swap(SYS_BABI_PAIRS))`.
- Names never seen: `rename(examples, made_up(names, avoid=vocabulary.words))`, for bAbI with the names of
  `BABI_NAMES`.
"""

import dataclasses
import functools
import random
import re
from collections.abc import Callable, Iterable, Mapping

from dmn_keras.datasets.example import Example
from dmn_keras.text.tokenizer import is_combining, lower, normalize

__all__ = ["BABI_NAMES", "BABI_PEOPLE", "SYS_BABI_PAIRS", "made_up", "rename", "swap"]

_DANIEL, _BILL = ("Daniel", "John", "Mary", "Sandra"), ("Bill", "Fred", "Julie", "Mary")
BABI_NAMES = {
    **dict.fromkeys(("1", "2", "3", "6", "7", "8", "9", "11", "12", "13"), _DANIEL),
    "5": ("Bill", "Fred", "Jeff", "Mary"),
    "10": _BILL,
    "14": _BILL,
    "15": ("Emily", "Gertrude", "Jessica", "Winona"),
    "16": ("Bernhard", "Brian", "Greg", "Julius", "Lily"),
    "20": ("Antoine", "Jason", "Sumit", "Yann"),
}
"""Task of bAbI in English -> names of people and animals in it; tasks without any are left out."""
BABI_PEOPLE = tuple(sorted({name for names in BABI_NAMES.values() for name in names}))
"""All of these names."""

SYS_BABI_PAIRS = {"Daniel": "Bill", "John": "Fred", "Sandra": "Julie"}
"""The pairs that sys-bAbI exchanges: no task of bAbI has both names of a pair (Park et al., ICLR 2024)."""


def rename(examples: Iterable[Example], names: Mapping[str, str]) -> list[Example]:
    """Exchange names in stories, questions and answers.

    A name is found in any capitals, as models read it, where it is a word of its own: `Mary` also in `Mary's`, but not
    in `Maryland` or `Mary-Ann`. All names are exchanged at once, so that two may take each other's place. Supporting
    facts stay as they are.

    Args:
        examples: The examples; a story among background text becomes a tuple, so that it is best renamed before it is
            inserted.
        names: Name -> new name. Names of several words are allowed.

    Returns:
        A list of new examples.

    Raises:
        ValueError: If `names` does not map texts to texts, or two names would become one, be it that `names` gives both
            the same new name or that a story with a name holds its new name too.

    Example:

    >>> example = Example(("Mary met John.",), "Whom did Mary meet?", ("John",))
    >>> rename([example], {"Mary": "John", "John": "Mary"})
    [Example(story=('John met Mary.',), question='Whom did John meet?', answer=('Mary',), ...)]
    """
    if not isinstance(names, Mapping) or not all(isinstance(text, str) for pair in names.items() for text in pair):
        raise ValueError(f"names must map texts to texts. Received: {names!r:.100}")
    _check_one_to_one(names)
    names = {normalize(name): normalize(new) for name, new in names.items()}
    exchange = _exchange(names)
    return [_renamed(example, names, exchange) for example in examples]


def swap(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the map for `rename` under which the names of each pair take each other's place.

    Args:
        pairs: One name of each pair -> the other.

    Raises:
        ValueError: If a name is in two pairs.
    """
    both = {**pairs, **{new: name for name, new in pairs.items()}}
    if len(both) < 2 * len(pairs):
        raise ValueError(f"pairs must hold each name once. Received: pairs={dict(pairs)}")
    return both


def made_up(names: Iterable[str], *, avoid: Iterable[str] = (), seed: int = 0) -> dict[str, str]:
    """Return a map for `rename` that gives each name a new one, made up of three random syllables.

    Args:
        names: The names; one with a capital becomes one with a capital.
        avoid: Words that no new name may be, in whatever capitals: those that a model knows, and those of the examples.
        seed: Integer that chooses the new names.

    Returns:
        Name -> new name, in the order of `names`, each once.
    """
    rng, new = random.Random(seed), {}
    taken = {lower(word) for word in avoid}
    for name in dict.fromkeys(names):
        while (word := "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))) in taken:
            pass
        taken.add(word)
        new[name] = word.capitalize() if name[:1].isupper() else word
    return new


def _check_one_to_one(names):
    """Raise if the map is not one to one, capitals aside: models read words in lower case."""
    taken, news = {}, {}
    for name, new in names.items():
        name, new = normalize(name), normalize(new)
        if not name.strip() or not new.strip():
            raise ValueError(f"names must map names to names, none of them empty. Received: {name!r}: {new!r}")
        other = taken.setdefault(lower(new), name)
        if lower(other) != lower(name):
            raise ValueError(f"names must not merge names. Received: {other!r} and {name!r} become {new!r}")
        other = news.setdefault(lower(name), new)
        if lower(other) != lower(new):
            raise ValueError(f"names must not split a name. Received: {name!r} becomes {other!r} and {new!r}")


def _exchange(names) -> Callable[[str], tuple[str, frozenset]]:
    """Return a function of a text that returns it with its names exchanged, and the old and new names it held.

    Models read words in lower case, so that a name is one in any capitals.
    """
    of_lower = {lower(name): new for name, new in names.items()}
    spellings = "|".join(map(re.escape, sorted({*names, *names.values()}, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)(?<!\w['-])(?:{spellings})(?!\w)(?!-\w)", re.IGNORECASE)

    @functools.cache  # bAbI repeats its sentences
    def exchange(text):
        found = set()

        def replace(match):
            before, name, after = match.string[: match.start()], match[0], match.string[match.end() :]
            if any(is_combining(mark) for mark in before[-1:] + after[:1]):
                return name  # a longer word, whose marks are no letters to a pattern
            found.add(lower(name))
            new = names.get(name) or of_lower.get(lower(name), name)
            return new if name in names or name != lower(name) else lower(new)

        normal = normalize(text)
        renamed = pattern.sub(replace, normal) if names else normal
        return (text if renamed == normal else renamed), frozenset(found)

    return exchange


def _renamed(example, names, exchange):
    texts = [exchange(text) for text in (*example.story, example.question, *example.answer)]
    found = frozenset().union(*(held for _, held in texts))
    old = {lower(name) for name in names}
    for name, new in names.items():
        if lower(name) in found and lower(new) in found - old:
            raise ValueError(
                f"names must not merge names. Received: {name!r} becomes {new!r}, which is in the same story, of task "
                f"{example.task!r} with the question {example.question!r}"
            )
    words = tuple(text for text, _ in texts)
    size = len(example.story)
    return dataclasses.replace(example, story=words[:size], question=words[size], answer=words[size + 1 :])
