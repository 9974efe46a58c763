"""What a training should know of its data before it begins."""

import collections
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from dmn_keras.datasets import Example
from dmn_keras.tasks.question_answering.preprocessor import QuestionAnsweringPreprocessor
from dmn_keras.text import UNKNOWN_ID


def data_report(
    train: Mapping[str, Sequence[Example]],
    valid: Mapping[str, Sequence[Example]],
    preprocessor: QuestionAnsweringPreprocessor,
) -> Iterator[str]:
    """Describe the training and validation parts of a dataset.

    Args:
        train: Dict of task name to training examples.
        valid: Dict of task name to validation examples.
        preprocessor: The preprocessor, adapted to the training examples.

    Yields:
        Lines: sizes, supporting facts, stories that are cut, words of the validation part that training never saw or,
        where the vocabulary is open, questions with more unknown words than placeholders, whatever a retriever drops of
        them later, and the error of the commonest answer.
    """
    examples, held_out = ([e for of_task in part.values() for e in of_task] for part in (train, valid))
    facts = sorted(len(example.story) for example in examples)
    supported = sum(bool(example.supporting_facts) for example in examples)
    yield (
        f"Data: {len(examples):,} training and {len(held_out):,} validation questions; {facts[0]:,} to {facts[-1]:,} "
        f"facts a story, median {facts[len(facts) // 2]:,}; {len(preprocessor.vocabulary):,} words; "
        f"{supported / len(examples):.0%} of the questions name supporting facts"
    )
    most = preprocessor.max_facts or math.inf
    if long := [example for example in examples if len(example.story) > most]:
        lost = sum(min(example.supporting_facts, default=math.inf) < len(example.story) - most for example in long)
        yield (
            f"warning: {len(long):,} of the {len(examples):,} training questions have more than max_facts="
            f"{preprocessor.max_facts} facts: the first ones are left out, of {lost:,} questions with supporting facts"
        )
    if preprocessor.num_placeholders:
        crowded = sum(
            len(encoded.placeholders) == preprocessor.num_placeholders and UNKNOWN_ID in _ids(encoded)
            for encoded in preprocessor.encode(held_out)
        )
        if crowded:
            yield (
                f"warning: {crowded:,} of the {len(held_out):,} validation questions have more unknown words than "
                f"num_placeholders={preprocessor.num_placeholders}: the others are one word to the model"
            )
    elif unseen := preprocessor.unseen_words_warning(held_out, "validation part"):
        unanswerable = sum(bool(preprocessor.vocabulary.unknown_words([e.answer_text])) for e in held_out)
        yield f"{unseen}; {unanswerable:,} of its {len(held_out):,} answers hold one"
    [(commonest, _)] = collections.Counter(example.answer_text for example in examples).most_common(1)
    wrong = sum(example.answer_text != commonest for example in held_out)
    error = f"{wrong / len(held_out):.1%}"
    yield f"Baseline: the commonest answer, {commonest!r}, is wrong for {error} of the validation part"


def _ids(encoded):
    """Return the ids of an example's question and own facts, a set."""
    positions = range(len(encoded.story)) if encoded.story_positions is None else encoded.story_positions
    return set(itertools.chain(encoded.question, *(encoded.story[i] for i in positions)))
