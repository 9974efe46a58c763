"""What does a person own? What everybody of their trade owns."""

from dmn_keras.datasets.stories.names import PEOPLE, TRADES
from dmn_keras.datasets.stories.story_task import StoryTask
from dmn_keras.datasets.stories.world import Question


def build(world):
    """Ask what somebody owns; the supporting facts are their trade, and what everybody of that trade owns.

    Half of the facts tell what a trade owns, the others tell a person's trade; people and trades are as many
    as that takes. The objects are the world's.
    """
    draws = world.draws
    num_trades = world.num_facts // 2
    num_workers = world.num_facts - num_trades
    trades = TRADES.choose(draws, num_trades)
    workers = PEOPLE.choose(draws, num_workers, len(world.people))
    rules = [("own", trade, draws.choice(world.objects)) for trade in trades]
    jobs = [draws.randbelow(num_trades) for _ in workers]
    memberships = [("be", worker, trades[job]) for worker, job in zip(workers, jobs, strict=True)]
    indexes = world.add_shuffled_facts(rules + memberships)
    rule = jobs[0]  # of any person: their order is random
    support = indexes[num_trades], indexes[rule]
    return Question(f"What does {workers[0]} own?", (rules[rule][-1],), support)


TASK = StoryTask(build, usual_facts=(4, 12), least_facts=2)
