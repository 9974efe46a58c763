"""The tabs of the web page: for each kind of task what is typed, examples, and how an answer is shown."""

import dataclasses
import functools
import html
from collections.abc import Callable, Mapping
from typing import Any

from dmn_keras.datasets.babi import TITLES
from dmn_keras.serving.samples import SAMPLES
from dmn_keras.tasks.question_answering import QuestionAnswerer, answer_text
from dmn_keras.tasks.task import Task
from dmn_keras.text import split_sentences, tokenize

NUM_ANSWERS = 3
"""How many of the likeliest answers a local run is asked for; an exported model gives as many by default."""

MOST_CHARACTERS = 20_000
"""Characters of a text that are taken, about four times the longest story of bAbI."""


@dataclasses.dataclass(frozen=True)
class Tab:
    """A tab of the page.

    Attributes:
        name: Prefix of the names of its elements.
        title: What stands on the tab.
        introduction: What its model does, Markdown.
        fields: Label and lines of each text that is typed, by name.
        examples: Texts of the fields by what the list of examples shows.
        examples_label: What the list of examples is called.
        button: What the button says.
        answer: Function of the texts that returns parts of HTML, in which all texts of others are quoted.
    """

    name: str
    title: str
    introduction: str
    fields: Mapping[str, tuple[str, int]]
    examples: Mapping[str, tuple[str, ...]]
    examples_label: str
    button: str
    answer: Callable[..., list[str]]

    def show(self, *texts: str) -> str:
        """Return what the page shows of the texts of the fields: the answer, or why there is none, HTML."""
        for name, text in zip(self.fields, texts, strict=True):
            if not any(map(str.isalnum, text)):
                return _error(f"The {name} is empty: type at least one word.")
            if len(text) > MOST_CHARACTERS:
                size = f"{len(text):,} characters. At most {MOST_CHARACTERS:,} are taken."
                return _error(f"The {name} is too long: {size}")
        try:
            parts = self.answer(*texts)
        except Exception as error:  # whatever it is, the page shows it, and the next question is answered
            return _error(f"No answer came. {str(error) or type(error).__name__}")
        return f'<div role="status">{"".join(parts)}</div>'


def _error(message):
    return f'<div role="alert"><p class="error">{html.escape(message)}</p></div>'


@functools.singledispatch
def tab_of(task: Task) -> Tab:
    """Return the tab of a task; `tab_of.register` adds those of a further class.

    Raises:
        ValueError: If there is none.
    """
    raise ValueError(f"The web page has no tab for a {type(task).__name__}.")


@tab_of.register
def _(task: QuestionAnswerer):
    return story_tab(functools.partial(task.ask, beam_width=NUM_ANSWERS))


def story_tab(ask: Callable[[str, str], Any]) -> Tab:
    """Return the tab of questions about stories.

    Args:
        ask: Function of a story and a question that returns an `Answer`: `QuestionAnswerer.ask`, `Client.ask`.
    """
    return Tab(
        name="stories",
        title="Stories",
        introduction=(
            "Type a story and ask about it, in short English sentences. The network goes over the story several "
            "times; the table shows how far each pass attended to each fact."
        ),
        fields={"story": ("Story", 9), "question": ("Question", 1)},
        examples={f"{e.task}. {TITLES[e.task]}": ("\n".join(e.story), e.question) for e in SAMPLES},
        examples_label="Example, by bAbI task",
        button="Ask",
        answer=functools.partial(_story_parts, ask),
    )


def _story_parts(ask, story, question):
    answer = ask(story, question)
    return [
        f'<p class="asked">{html.escape(question.strip())}</p>',
        f'<p class="answer">{html.escape(answer_text(answer))}</p>',
        *(f"<p>{html.escape(line)}</p>" for line in _remarks(answer, story)),
        _attention(answer),
        _evidence(answer) if answer.known else "",
    ]


def _remarks(answer, story):
    """Yield the lines below an answer: how likely the next ones are, and what was not read as it stands."""
    others = [f"{text} {probability:.3f}" for text, probability in answer.others if text]
    if others:
        yield f"Next likeliest, by probability: {', '.join(others)}"
    yield from unknown_words(answer)
    if answer.positions is not None:
        yield f"Retrieved {len(answer.facts):,} of {answer.num_facts:,} sentences."
        return
    num_sentences = sum(1 for sentence in split_sentences(story) if tokenize(sentence))
    if len(answer.facts) < num_sentences:
        yield f"Only the last {len(answer.facts)} of {num_sentences} sentences were read."


def unknown_words(answer: Any) -> list[str]:
    """Return a line about the words of an answer that the model does not know, none where it knows all."""
    return [f"The model does not know: {', '.join(answer.unknown_words)}"] if answer.unknown_words else []


def _attention(answer):
    """Return the heat map as a table: a row a fact, a column a pass; what decided a pass is in bold."""
    passes = "".join(f'<th scope="col">pass {i + 1}</th>' for i in range(len(answer.gates)))
    rows = []
    for i, fact in enumerate(answer.facts):
        cells = "".join(
            _cell(gates[i], i in deciding) for gates, deciding in zip(answer.gates, answer.evidence, strict=True)
        )
        rows.append(f'<tr><th scope="row">{html.escape(fact)}</th>{cells}</tr>')
    return (
        '<div class="wide"><table><caption>Attention: the gate of each fact in each pass, from 0 to 1</caption>'
        f'<thead><tr><th scope="col">fact</th>{passes}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(gate, decides):
    """Return a cell of the heat map, from pale blue at 0 to dark blue at 1."""
    color = ", ".join(f"{pale + (dark - pale) * gate:.0f}" for pale, dark in ((239, 8), (244, 69), (252, 148)))
    style = f"background: rgb({color}); color: {'white' if gate > 0.7 else 'black'}"
    return f'<td style="{style}"{" class=deciding" if decides else ""}>{gate:.2f}</td>'


def _evidence(answer):
    rows = []
    for i, facts in enumerate(answer.evidence):
        named = "<br>".join(html.escape(answer.facts[fact]) for fact in facts) if facts else "nothing"
        rows.append(f"<dt>pass {i + 1} attended to</dt><dd>{named}</dd>")
    return f"<dl>{''.join(rows)}</dl>"
