"""Tiny stories as ids: who went where, and where someone is."""

import numpy as np

PEOPLE, PLACES, WENT, WHERE, END = range(3, 7), range(7, 12), 12, 13, 2
VOCABULARY_SIZE = 14
MAX_FACTS, MAX_WORDS = 4, 3


def make(count=32, seed=0):
    """Stories of 2 to 4 sentences `[person, went, place]`, the question `[where, person]`.

    Returns:
        Inputs `story` (count, 4, 3) and `question` (count, 3), padded with 0; targets `answer` (count,), a place, and
        `gates` (count, 4), 1 at the fact that holds the answer.
    """
    rng = np.random.default_rng(seed)
    story = np.zeros((count, MAX_FACTS, MAX_WORDS), "int32")
    question = np.zeros((count, 3), "int32")
    answer = np.zeros(count, "int32")
    gates = np.zeros((count, MAX_FACTS), "float32")
    for i in range(count):
        num_facts = rng.integers(2, MAX_FACTS + 1)
        people = rng.permutation(PEOPLE)[:num_facts]
        places = rng.choice(PLACES, num_facts)
        story[i, :num_facts] = np.stack([people, np.full(num_facts, WENT), places], axis=1)
        asked = rng.integers(num_facts)
        question[i, :2] = WHERE, people[asked]
        answer[i], gates[i, asked] = places[asked], 1
    return {"story": story, "question": question}, {"answer": answer, "gates": gates}


def word_by_word(answer, num_words):
    """Answers (count,) -> (count, num_words + 1): the place, the end, padding."""
    words = np.zeros((len(answer), num_words + 1), "int32")
    words[:, 0], words[:, 1] = answer, END
    return words
