"""What does a person wear? What another of the same trade wears."""

from dmn_keras.datasets.stories.names import COLOURS, PEOPLE, TRADES
from dmn_keras.datasets.stories.task import Task
from dmn_keras.datasets.stories.world import Question


def build(world):
    """Ask what somebody wears, which is not told, but one other person of their trade wears it.

    The supporting facts are the trade of the person asked about, the other person's trade, and what that one
    wears. There are three such facts for each trade; those of the last trade, which may be cut off, are never
    asked about then. People and trades are as many as that takes.
    """
    draws = world.draws
    num_whole = world.num_facts // 3
    trades = TRADES.choose(draws, num_whole + 1)
    num_workers = 2 * len(trades)
    workers = PEOPLE.choose(draws, num_workers, len(world.people))
    pairs = zip(workers[::2], workers[1::2], strict=True)
    meanings = [
        meaning
        for trade, (person, model) in zip(trades, pairs, strict=True)
        for meaning in (("be", person, trade), ("be", model, trade), ("wear", model, draws.pick(COLOURS)))
    ]
    indexes = world.tell_shuffled(meanings[: world.num_facts])
    asked = 3 * draws.below(num_whole)
    person, colour = meanings[asked][1], meanings[asked + 2][-1]
    return Question(f"What colour does {person} wear?", (colour,), tuple(indexes[asked : asked + 3]))


TASK = Task(build, usual_facts=(5, 12), least_facts=3)
