"""The solver that judges the stories is itself strict: it sees what cannot be, and does not guess."""

import pytest

from tests.datasets import story_solver


@pytest.mark.parametrize(
    ("story", "message"),
    [
        ("Anna went to the tower. Anna walked to the tower.", "Anna is there already"),
        ("Anna went to the tower. Then he went to the cellar.", "he is not Anna"),
        ("Anna took the coin. Ben took the coin.", "coin is in somebody's hands"),
        (
            "Anna went to the tower. Anna took the coin. Anna dropped the coin. Ben went to the cellar. "
            "Ben took the coin.",
            "coin is elsewhere",
        ),
        ("Anna took the coin. Ben dropped the coin.", "Ben does not hold coin"),
        ("Anna went to the tower. Ben went to the cellar. Anna gave the coin to Ben.", "Anna and Ben are apart"),
    ],
)
def test_impossible_events(story, message):
    with pytest.raises(story_solver.ContradictionError, match=message):
        story_solver.solve(sentences(story), "Where is the coin?")


def test_impossible_maps():
    story = sentences("The tower is north of the cellar. The garden lies north of the cellar.")
    with pytest.raises(story_solver.ContradictionError, match="two places north of cellar"):
        story_solver.solve(story, "How do you go from the cellar to the tower?")
    with pytest.raises(story_solver.ContradictionError, match="two places at one cell"):
        story_solver.lay_out(story)


def test_unreadable_sentences():
    with pytest.raises(story_solver.UnreadableError, match="Anna sleeps"):
        story_solver.solve(["Anna sleeps."], "Where is Anna?")


@pytest.mark.parametrize(
    ("story", "question", "answer"),
    [
        ("Anna took the coin.", "Where is the coin?", None),
        ("Anna went to the tower. Anna took the coin.", "Where is the coin?", ("tower",)),
        ("Then she went to the tower.", "Where is Anna?", None),
        ("Ben gave the coin to Anna.", "What is Ben carrying?", ("nothing",)),
        ("Ben gave the coin to Anna.", "How many objects is Anna carrying?", ("one",)),
        ("Ben went to the tower.", "What is Ben carrying?", None),
        ("At noon Ben went to the tower.", "Where was Ben before the tower?", None),
        ("Anna is a baker. Ben wears red.", "What colour does Anna wear?", None),
    ],
)
def test_answers(story, question, answer):
    assert story_solver.solve(sentences(story), question) == answer


def sentences(story):
    return [f"{sentence}." for sentence in story.rstrip(".").split(". ")]
