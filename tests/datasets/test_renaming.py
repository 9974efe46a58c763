import pathlib
import random
import re

import pytest

from dmn_keras.datasets import Example, babi, stories
from dmn_keras.datasets.renaming import BABI_NAMES, SYS_BABI_PAIRS, made_up, rename, swap
from dmn_keras.text import tokenize
from tests.datasets import story_solver

DATA = pathlib.Path(__file__).parents[2] / "../shared/data/babi"
MEETING = Example(
    ("Mary met John.", "Mary-Ann left Maryland, John's home.", "No mary here."),
    "Whom did Mary meet?",
    ("John",),
    supporting_facts=(0,),
    task="7",
    story_id=3,
)
FUNCTION_WORDS = {"Afterwards", "At", "Each", "Every", "How", "In", "Is", "The", "Then", "What", "Where"}


def texts(examples):
    return [text for e in examples for text in (*e.story, e.question, *e.answer)]


def test_whole_words_are_exchanged_at_once():
    assert rename([MEETING], {"Mary": "John", "John": "Mary"}) == [
        Example(
            ("John met Mary.", "Mary-Ann left Maryland, Mary's home.", "No john here."),
            "Whom did John meet?",
            ("Mary",),
            supporting_facts=(0,),
            task="7",
            story_id=3,
        )
    ]
    assert rename([MEETING], {}) == rename([MEETING], {"Anna": "Mary"}) == [MEETING]


def test_names_of_several_words_and_numbers():
    example = Example(("TCK-6305 is in New York, not York.", "TCK-63051 is new."), "Where is TCK-6305?", ("New York",))
    names = {"TCK-6305": "TCK-1", "New York": "Rome", "York": "Paris"}
    expected = Example(("TCK-1 is in Rome, not Paris.", "TCK-63051 is new."), "Where is TCK-1?", ("Rome",))
    assert rename([example], names) == [expected]


def test_marks_that_are_no_letters_belong_to_a_word():
    example = Example(
        ("\u0930\u093e\u092e \u0930\u093e\u092e\u093e \u0915\u0947 \u0938\u093e\u0925 \u0939\u0948",), "Jose\u0301?"
    )
    names = {"\u0930\u093e\u092e": "\u0936\u094d\u092f\u093e\u092e", "Jos\u00e9": "Rui"}
    renamed = rename([example], names)[0]
    assert renamed.story[0].split()[:2] == ["\u0936\u094d\u092f\u093e\u092e", "\u0930\u093e\u092e\u093e"]
    assert renamed.question == "Rui?"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"Mary": "Anna", "John": "Anna"}, "must not merge names. Received: 'Mary' and 'John' become 'Anna'"),
        ({"Mary": "Anna", "mary": "Bob"}, "must not split a name. Received: 'mary' becomes 'Anna' and 'Bob'"),
        ({"José": "Anna", "Jose\u0301": "Bob"}, "must not split a name. Received: 'José' becomes 'Anna' and 'Bob'"),
        ({"Mary": "Anna", "John": "anna"}, "must not merge names. Received: 'Mary' and 'John' become 'anna'"),
        (
            {"Mary": "John"},
            "must not merge names. Received: 'Mary' becomes 'John', which is in the same story, of task",
        ),
        ({"Mary": "John", "John": "John"}, "must not merge names. Received: 'Mary' and 'John' become 'John'"),
        (["Mary"], "names must map texts to texts. Received: \\['Mary'\\]"),
        ({"Mary": 5}, "names must map texts to texts. Received: {'Mary': 5}"),
        ({"Mary": " "}, "names must map names to names, none of them empty. Received: 'Mary': ' '"),
        ({"Mary": "john"}, "must not merge names. Received: 'Mary' becomes 'john', which is in the same story"),
    ],
)
def test_maps_under_which_answers_would_not_follow_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        rename([MEETING], names)


def test_a_name_is_one_in_any_capitals():
    example = Example(("JOHN met mary.",), "Whom did john meet?", ("Mary",))
    renamed = Example(("Paul met anna.",), "Whom did paul meet?", ("Anna",))
    assert rename([example], {"John": "Paul", "Mary": "Anna"}) == [renamed]


def test_one_new_name_for_two_spellings_of_a_name():
    example = Example(("MARY left.",), "Who left?", ("Mary",))
    renamed = rename([example], {"MARY": "ANNA", "Mary": "Anna"})
    assert renamed == [Example(("ANNA left.",), "Who left?", ("Anna",))]


def test_a_name_of_another_story_may_be_the_new_one():
    other = Example(("Paul left.",), "Who left?", ("Paul",))
    assert rename([MEETING, other], {"Mary": "Paul"})[1] == other


def test_swap_is_its_own_inverse():
    both = swap(SYS_BABI_PAIRS)
    assert all(both[both[name]] == name for name in both)
    assert len(both) == 6
    with pytest.raises(ValueError, match=r"pairs must hold each name once. Received: pairs=\{'A': 'B', 'B': 'C'\}"):
        swap({"A": "B", "B": "C"})


def test_made_up_names_are_new():
    names = [*(f"Name{i}" for i in range(500)), "milk"]
    first = made_up(names)
    assert [*first] == names
    assert len(set(first.values())) == 501
    assert first["Name0"].istitle()
    assert first["milk"].islower()
    assert made_up(names) == first
    assert made_up(names, seed=1) != first
    again = made_up(names, avoid=[name.upper() for name in first.values()])
    assert not set(first.values()) & set(again.values())


@pytest.mark.parametrize("task", stories.TASKS)
@pytest.mark.parametrize("how", ["swap", "new"])
def test_answers_of_renamed_stories_follow_by_an_independent_solver(task, how):
    examples = stories.generate(task, split="test", num_examples=40, seed=5)
    people = {word for text in texts(examples) for word in re.findall(r"\b[A-Z]\w*", text)} - FUNCTION_WORDS
    nouns = {word for text in texts(examples) for word in re.findall(r"\b(?:the|a) (\w+)", text)}
    nouns -= {"morning", "afternoon", "evening"}  # of hours, which are no names
    nouns -= {word for text in texts(examples) for word in re.findall(r"\bthe (\w+) of\b", text)}
    if how == "new":
        names = made_up([*sorted(people), *sorted(nouns)], avoid=tokenize(" ".join(texts(examples))))
        # The solver, like the stories, tells from a name's last letter who is meant by "she".
        names |= {name: names[name][:-1] + ("a" if name.endswith("a") else "o") for name in people}
    else:
        kinds = [nouns, *({n for n in people if n.endswith("a") == women} for women in (True, False))]
        names = {name: new for kind in kinds for name, new in shuffled(sorted(kind))}
    renamed = rename(examples, names)
    assert renamed != examples
    for before, after in zip(examples, renamed, strict=True):
        assert story_solver.solve(after.story, after.question) == after.answer
        assert after.answer == tuple(names.get(word, word) for word in before.answer)
        assert after.supporting_facts == before.supporting_facts
    back = rename(renamed, {new: name for name, new in names.items()})
    assert back == examples


def shuffled(names):
    return zip(names, random.Random(0).sample(names, len(names)), strict=True)


@pytest.mark.skipif(not DATA.is_dir(), reason="the bAbI archive is not in ../shared/data/babi")
@pytest.mark.parametrize("task", babi.TASKS)
def test_the_names_of_babi_are_all_of_them(task):
    examples = babi.load(DATA, config="en", task=task, split="test")
    words = {word for text in texts(examples) for word in re.findall(r"\b[A-Z]\w*", text)}
    others = {"After", "Cats", "Does", "Following", "Mice", "Sheep", "This", "Who", "Why", "Wolves", "Yesterday"}
    assert words - FUNCTION_WORDS - others == set(BABI_NAMES.get(task, ()))
    exchanged = rename(examples, swap(SYS_BABI_PAIRS))
    here = set(BABI_NAMES.get(task, ()))
    assert (exchanged != examples) == bool(here & swap(SYS_BABI_PAIRS).keys())
    new = made_up(sorted(here), avoid=words)
    fresh = rename(examples, new)
    assert not here & {word for text in texts(fresh) for word in tokenize(text)}
    assert rename(fresh, {word: name for name, word in new.items()}) == examples
