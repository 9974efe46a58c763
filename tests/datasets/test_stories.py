import collections
import re
import zlib

import numpy as np
import pytest

from dmn_keras.datasets import stories
from dmn_keras.datasets.stories import names
from tests.datasets import story_solver

TASKS = tuple(stories.TASKS)
SIZES = {
    "usual": {"num_examples": 300},
    "few facts, many names": {"num_people": 60, "num_places": 70, "num_objects": 80},
    "many objects": {"num_facts": (3, 60), "num_people": 5, "num_objects": 30},
    "hundred facts": {"num_examples": 30, "num_facts": 100, "seed": 3},
    "ten thousand facts": {"num_examples": 2, "num_facts": 10_000},
}


def supporting(example, without=None):
    """The supporting facts in the order of the story, all but the one at index `without`."""
    kept = sorted(set(example.supporting_facts) - {without})
    return [example.story[i] for i in kept]


@pytest.fixture(scope="module")
def thousand():
    return {task: stories.generate(task) for task in TASKS}


@pytest.mark.slow
@pytest.mark.parametrize("size", [*SIZES, "smallest"])
@pytest.mark.parametrize("task", TASKS)
def test_answer_follows_from_story_and_from_no_less_than_the_supporting_facts(task, size):
    sizes = stories.TASKS[task].least if size == "smallest" else SIZES[size]
    for example in stories.generate(task, **{"num_examples": 60, **sizes}):
        assert story_solver.solve(example.story, example.question) == example.answer
        assert story_solver.solve(supporting(example), example.question) == example.answer
        assert not story_solver.solve((), example.question)
        for dropped in example.supporting_facts:
            assert story_solver.solve(supporting(example, dropped), example.question) != example.answer


@pytest.mark.parametrize("task", TASKS)
def test_each_supporting_fact_can_be_found_from_the_question_and_those_before(task, thousand):
    for example in thousand[task]:
        known, previous = set(re.findall(r"\w+", example.question)), None
        for fact in example.supporting_facts:
            kind, mentioned = story_solver.read(example.story[fact])
            assert known & set(mentioned) or (kind == "pronoun" and fact == previous + 1)
            known, previous = known | set(mentioned), fact


def test_order_of_reasoning_with_three_supporting_facts(thousand):
    for example in thousand["three-supporting-facts"]:
        thing, place = re.search(r"was the (\w+) before the (\w+)", example.question).groups()
        (_, gain), (_, arrival), (_, origin) = (story_solver.read(example.story[i]) for i in example.supporting_facts)
        assert gain[1] == thing
        assert arrival == (gain[-1] if len(gain) == 3 else gain[0], place)
        assert origin == (arrival[0], *example.answer)


@pytest.mark.parametrize("task", ["counting", "lists"])
def test_order_of_the_parts_is_that_of_the_supporting_facts(task, thousand):
    for example in thousand[task]:
        assert list(example.supporting_facts) == sorted(example.supporting_facts)
        gained = tuple(story_solver.read(example.story[i])[1][1] for i in example.supporting_facts)
        assert example.answer in (gained, ("nothing",), ("none",), (story_solver.COUNT[len(gained)],))


@pytest.mark.parametrize("task", TASKS)
def test_form_of_the_records(task, thousand):
    low, high = stories.TASKS[task].usual_facts
    lengths = set()
    for number, example in enumerate(thousand[task]):
        assert (example.task, example.story_id) == (task, number)
        assert example.question.endswith("?")
        assert all(re.fullmatch(r"[A-Z][A-Za-z ]+\.", sentence) for sentence in example.story)
        assert all(re.fullmatch("[a-z]+", word) for word in example.answer)
        assert len(set(example.supporting_facts)) == len(example.supporting_facts) > 0
        assert all(type(i) is int and 0 <= i < len(example.story) for i in example.supporting_facts)
        lengths.add(len(example.story))
    assert lengths == set(range(low, high + 1))


@pytest.mark.parametrize("task", TASKS)
def test_every_surface_form_is_used(task, thousand):
    kinds = collections.defaultdict(set)
    for example in thousand[task]:
        for sentence in example.story:
            kind, mentioned = story_solver.read(sentence)
            kinds[kind].add(re.sub("|".join(mentioned), "_", sentence))
    assert all(len(forms) > 1 for forms in kinds.values())


@pytest.mark.parametrize(
    ("task", "num_answers", "most"),
    [
        ("one-supporting-fact", 6, 0.22),
        ("two-supporting-facts", 6, 0.22),
        ("three-supporting-facts", 6, 0.22),
        ("yes-no", 2, 0.6),
        ("counting", 4, 0.3),
        ("lists", 16, 0.3),  # all orders of up to three objects; "nothing" is as likely as each length
        ("path-finding", 12, 0.13),
        ("deduction", 3, 0.4),
        ("induction", 6, 0.22),
        ("coreference", 6, 0.22),
        ("time", 6, 0.22),
    ],
)
def test_no_answer_is_more_frequent_than_chance(task, num_answers, most, thousand):
    counts = collections.Counter(example.answer for example in thousand[task])
    assert len(counts) == num_answers
    assert max(counts.values()) <= most * 1000


def test_yes_no_is_not_told_by_mention(thousand):
    """Whether the place is mentioned at all, or how often, says little: two out of three at most."""
    right = 0
    for example in thousand["yes-no"]:
        place = re.search(r"in the (\w+)", example.question)[1]
        mentioned = any(f"the {place}." in sentence for sentence in example.story)
        right += mentioned == (example.answer == ("yes",))
    assert right < 667


def test_counting_is_not_counting_what_was_taken(thousand):
    right = 0
    for example in thousand["counting"]:
        person = re.search(r"is (\w+) carrying", example.question)[1]
        facts = [story_solver.read(sentence) for sentence in example.story]
        taken = sum(kind == "get" and mentioned[0] == person for kind, mentioned in facts)
        right += story_solver.COUNT[taken] == example.answer[0]
    assert right < 600


@pytest.mark.parametrize("task", ["one-supporting-fact", "two-supporting-facts", "counting", "time"])
def test_supporting_facts_are_spread_over_a_long_story(task):
    last = [max(e.supporting_facts) for e in stories.generate(task, num_examples=60, num_facts=500)]
    assert min(last) < 250 < np.median(last)
    assert max(last) > 450


def test_path_finding_maps_lie_on_a_grid():
    for example in stories.generate("path-finding", num_examples=50, num_facts=(2, 200)):
        assert len(story_solver.lay_out(example.story)) == len(example.story) + 1


@pytest.mark.parametrize("task", TASKS)
def test_splits_share_no_story_even_if_there_are_few(task):
    splits = {split: set() for split in stories.SPLITS}
    for split in splits:
        for seed in (0, 1):
            examples = stories.generate(task, split=split, seed=seed, **stories.TASKS[task].least)
            splits[split].update(example.story for example in examples)
    assert all(splits.values())
    assert len(set.union(*splits.values())) == sum(map(len, splits.values()))


@pytest.mark.parametrize("task", TASKS)
def test_fewer_examples_are_the_first_of_more(task, thousand):
    assert stories.generate(task, num_examples=20) == thousand[task][:20]


def test_sizes_bound_the_names():
    told = collections.defaultdict(set)
    sizes = {"num_people": 20, "num_places": 14, "num_objects": 15}
    for example in stories.generate("two-supporting-facts", num_examples=5, num_facts=2000, **sizes):
        for kind, mentioned in map(story_solver.read, example.story):
            told["people"].update(mentioned[::2] if kind == "hand" else mentioned[:1])
            told["places" if kind == "go" else "objects"].add(mentioned[1])
    assert {kind: len(found) for kind, found in told.items()} == {"people": 20, "places": 14, "objects": 15}


@pytest.mark.parametrize("num_facts", [7, np.int64(7), (7, 7), [7, 7]])
def test_number_of_facts_may_be_exact(num_facts):
    examples = stories.generate("lists", num_examples=10, num_facts=num_facts)
    assert {len(example.story) for example in examples} == {7}


def test_names_never_run_out_and_never_mean_two_things():
    kinds = (names.PEOPLE, names.PLACES, names.OBJECTS, names.TRADES)
    found = [name for kind in kinds for name in kind.first(20_000)]
    assert len(set(found)) == 80_000
    assert names.PEOPLE.first(30)[:20] == names.PEOPLE.first(20)
    assert names.PEOPLE.first(18)[16:] == ("Bebana", "Bebaro")
    assert names.PLACES.first(14)[12:] == ("bebaford", "bebeford")
    assert {name[0] for kind in kinds[1:] for name in kind.first(2000)}.isdisjoint("aeiou")


def test_snapshot(thousand):
    """Stories are the same in every process, and change on purpose alone: published results depend on them."""
    example = thousand["two-supporting-facts"][0]
    assert example.story[4:7] == (
        "Anna hurried to the cellar.",
        "David handed the lantern to Anna.",
        "David headed to the kitchen.",
    )
    assert (example.question, example.answer) == ("Where is the lantern?", ("cellar",))
    assert example.supporting_facts == (5, 4)
    told = [(e.story, e.question, e.answer, e.supporting_facts) for examples in thousand.values() for e in examples]
    assert zlib.crc32(repr(told).encode()) == 37822033


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        ("count", {}, "task must be one of one-supporting-fact, .*Received: 'count'. Did you mean 'counting'?"),
        ("lists", {"split": "tests"}, "split must be one of train, valid, test. Received: 'tests'. .*'test'"),
        ("lists", {"num_examples": 0}, "num_examples must be an integer of at least 1. Received: num_examples=0."),
        ("lists", {"seed": -1}, "seed must be an integer of at least 0. Received: seed=-1."),
        ("lists", {"seed": "0"}, "seed must be an integer of at least 0. Received: seed='0'."),
        ("lists", {"num_facts": 2}, "num_facts must be an integer of at least 3 for lists. Received: num_facts=2."),
        ("yes-no", {"num_facts": (0, 5)}, "num_facts must be .* at least 1 for yes-no. Received: num_facts=0."),
        ("yes-no", {"num_facts": (5, 2)}, "num_facts must be a range that runs upwards. Received: num_facts=(5, 2)."),
        ("yes-no", {"num_facts": 2.5}, "num_facts must be an integer or a pair of them. Received: num_facts=2.5."),
        ("yes-no", {"num_facts": (1, 2, 3)}, "num_facts must be an integer or a pair of them. Received:"),
        (
            "yes-no",
            {"num_people": 1},
            "num_people must be an integer of at least 2 for yes-no. Received: num_people=1.",
        ),
        ("time", {"num_people": 0}, "num_people must be an integer of at least 1 for time. Received: num_people=0."),
        ("time", {"num_places": 1}, "num_places must be an integer of at least 2 for time. Received: num_places=1."),
        ("lists", {"num_objects": True}, "num_objects must be an integer of at least 1 for lists. Received:"),
    ],
)
def test_errors_name_the_argument(task, arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        stories.generate(task, **arguments)
