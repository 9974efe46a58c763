"""The bAbI text format, read into examples."""

import re

from dmn_keras.datasets.example import Example
from dmn_keras.utils.lines import numbered_lines, shorten

_LINE = re.compile(r"([0-9]{1,9})(?: +(.*))?", re.DOTALL)
_QUESTION_FORM = "'ID question<TAB>answer', and '<TAB>supporting fact ids' where they are known"


def parse(lines, *, source, task):
    """Read a file in bAbI's text format.

    A line is `ID sentence` (a fact) or `ID question<TAB>answer<TAB>ids of the supporting facts`. Ids count
    the lines of a story, questions included, and restart at 1 with the next story. A question is asked about
    all the facts of its story so far. Ids of supporting facts may be left out, with or without their tab. Blank lines
    are skipped.

    An answer is split at its commas: in the released files only tasks 8 and 19 have answers of several parts,
    and no single part has a comma. The case of an answer is kept; space around sentences, questions and
    answers is dropped.

    Args:
        lines: Iterable of `bytes` (UTF-8) or `str`, such as a file opened in binary mode.
        source: Name of the file, for error messages.
        task: Name to store in each example's `task`, e.g. `"1"`.

    Returns:
        A list of `Example`, one for each question, in the file's order. `supporting_facts` are indexes into
        `story` from 0, in the file's order, which is the order of reasoning and often not sorted. `story_id`
        numbers the stories of the file from 0. Equal sentences are one string object.

    Raises:
        ValueError: If a line is malformed; the message names the file, the line and what was expected.
    """
    examples, sentences = [], {}
    story_id, last_id, facts = -1, 0, {}  # no story is open yet; facts by the id of their line
    for place, text in numbered_lines(lines, source=source):
        line_id, body = _split_id(text, place)
        if line_id == 1:
            story_id, facts = story_id + 1, {}
        elif line_id != last_id + 1:
            wanted = f"{last_id + 1}, or 1 for a new story" if last_id else "1"
            raise ValueError(f"{place}: line id out of sequence: expected {wanted}. Received: {line_id}.")
        last_id = line_id
        fields = [field.strip() for field in body.split("\t")]
        if len(fields) == 1:
            facts[line_id] = sentences.setdefault(fields[0], fields[0])
        else:
            examples.append(_example(facts, fields, task=str(task), story_id=story_id, place=place))
    return examples


def _split_id(text, place):
    match = _LINE.fullmatch(text.strip(" "))
    if match is None:
        raise ValueError(f"{place}: expected a line id, a space and a sentence or question. Received: {shorten(text)}.")
    if not (match[2] or "").strip():
        raise ValueError(f"{place}: expected a sentence or question after the line id {match[1]}, found none.")
    return int(match[1]), match[2]


def _example(facts, fields, *, task, story_id, place):
    if len(fields) > 3:
        raise ValueError(
            f"{place}: a question needs 2 or 3 fields separated by tabs, {_QUESTION_FORM}. "
            f"Received {len(fields)}: {', '.join(shorten(field) for field in fields)}."
        )
    question, answer, fact_ids = [*fields, ""][:3]
    parts = tuple(part.strip() for part in answer.split(","))
    for name, value in (("question", question), *(("answer", part) for part in parts)):
        if not value:
            raise ValueError(f"{place}: the {name} is empty. Expected {_QUESTION_FORM}.")
    return Example(
        story=tuple(facts.values()),
        question=question,
        answer=parts,
        supporting_facts=_supporting_facts([*facts], fact_ids, place),
        task=task,
        story_id=story_id,
    )


def _supporting_facts(line_ids, fact_ids, place):
    indexes = []
    for fact_id in fact_ids.split():
        if not re.fullmatch("[0-9]{1,9}", fact_id) or int(fact_id) not in line_ids:
            raise ValueError(
                f"{place}: a supporting fact must be the line id of an earlier fact of the same story, one "
                f"of {shorten(' '.join(map(str, line_ids)))}. Received: {shorten(fact_id)}."
            )
        indexes.append(line_ids.index(int(fact_id)))
    return tuple(indexes)
