"""What does a person wear? What another of the same trade wears."""

from dmn_keras.datasets.stories.names import COLOURS, PEOPLE, TRADES
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question


def build(world):
    """Ask what somebody wears, which no fact says, but one other person of their trade wears it.

    The supporting facts are the trade of the person asked about, the other person's trade, and what that one
    wears. There are three such facts for each trade; those of one trade may be cut off, which is not asked
    about then. People and trades are as many as that takes.
    """
    draws = world.draws
    trades = TRADES.choose(draws, -(-world.num_facts // 3))
    workers = PEOPLE.choose(draws, 2 * len(trades), len(world.people))
    pairs = zip(workers[::2], workers[1::2], strict=True)
    meanings = [
        meaning
        for trade, (person, model) in zip(trades, pairs, strict=True)
        for meaning in (("be", person, trade), ("be", model, trade), ("wear", model, draws.choice(COLOURS)))
    ]
    indexes = world.add_shuffled_facts(meanings[: world.num_facts])
    (_, person, _), _, (_, _, colour) = meanings[:3]  # any trade: their order is random
    return Question(f"What colour does {person} wear?", (colour,), tuple(indexes[:3]))


TASK = StoryTask(build, usual_facts=(5, 12), least_facts=3)
