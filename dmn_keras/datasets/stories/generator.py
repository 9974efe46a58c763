"""Generating examples: the sizes are checked, and the stories dealt out to the splits."""

import zlib

from dmn_keras.datasets.checks import SPLITS, check_name
from dmn_keras.datasets.example import Example
from dmn_keras.datasets.sequences import check_size, size_bounds
from dmn_keras.datasets.stories.names import OBJECTS, PEOPLE, PLACES
from dmn_keras.datasets.stories.rng import Random
from dmn_keras.datasets.stories.tasks import TASKS
from dmn_keras.datasets.stories.world import World


def generate(
    task: str,
    *,
    split: str = "train",
    num_examples: int = 1000,
    seed: int = 0,
    num_facts: int | tuple[int, int] | None = None,
    num_people: int = 4,
    num_places: int = 6,
    num_objects: int = 3,
) -> list[Example]:
    """Generate stories of a little world, each with a question, its answer and its supporting facts.

    Every answer follows from the supporting facts alone, and from the whole story. They stand in
    the order of reasoning: each can be found given the question and those before it. The other facts are
    of the same kinds. In a long story the supporting facts may be anywhere, not only near the end.

    A story belongs to one split, which its own text decides (a checksum of it, modulo three). So no story
    of one split stands in another, whatever the seeds and sizes; within a split small
    stories may repeat. Each split and task has its own random stream: fewer examples are the first ones of more.

    Args:
        task: One of `TASKS`.
        split: `"train"`, `"valid"` or `"test"`.
        num_examples: Number of examples. Each has a story of its own.
        seed: Non-negative integer. The same arguments give the same examples in every process.
        num_facts: Number of facts of each story, or a pair `(least, most)` to draw it from, both included;
            None for the task's usual range. Time and memory are linear in it.
        num_people: Number of people. Deduction, induction and time draw theirs from that many, and from more if
            the facts need more; path finding has no people.
        num_places: Number of places, at least 2. Path finding draws from that many, or from more likewise;
            deduction and induction have no places.
        num_objects: Number of objects that are carried (two and three supporting facts, counting, lists) or owned
            (deduction); the other tasks have no objects.

    Returns:
        A list of `Example`. `answer` has several parts in `lists` (in the order in which the person got the
        objects; `("nothing",)` for none) and in `path-finding` (two directions in walking order), else one.

    Raises:
        ValueError: If `task` or `split` is unknown, or a number is not an integer or too small for the task.
    """
    check_name("task", task, TASKS)
    check_name("split", split, SPLITS)
    check_size("num_examples", num_examples)
    check_size("seed", seed, least=0)
    least, where = TASKS[task].least, f" for {task}"
    num_facts = TASKS[task].usual_facts if num_facts is None else num_facts
    least_facts, most_facts = size_bounds("num_facts", num_facts, least=least["num_facts"], where=where)
    for argument, value in (("num_people", num_people), ("num_places", num_places), ("num_objects", num_objects)):
        check_size(argument, value, least=least[argument], where=where)

    names = {
        "people": PEOPLE.first(num_people),
        "places": PLACES.first(num_places),
        "objects": OBJECTS.first(num_objects),
    }
    draws = Random([seed, zlib.crc32(task.encode()), SPLITS.index(split)])
    examples = []
    while len(examples) < num_examples:
        length = least_facts + draws.randbelow(most_facts - least_facts + 1)
        world = World(draws, TASKS[task].actions, num_facts=length, **names)
        question = TASKS[task].build(world)
        story = tuple(fact.sentence for fact in world.facts)
        if split_of(story) == split:
            examples.append(Example(story, *question, task=task, story_id=len(examples)))
    return examples


def split_of(story):
    """Return the split that a story, a sequence of sentences, belongs to."""
    return SPLITS[zlib.crc32("\n".join(story).encode()) % len(SPLITS)]
