"""The tabs of tasks whose facts are words: a text is typed, its words are shown as dark as their gates are high."""

import functools
import html

from dmn_keras.serving.demo_tabs import Tab, tab_of, unknown_words
from dmn_keras.tasks.text_classification import TextClassifier
from dmn_keras.tasks.text_classification.answer import classification_text
from dmn_keras.tasks.token_tagging import TokenTagger
from dmn_keras.text.words import split_words

_REVIEWS = (
    "It's far from dull, and never loud.",
    "A gorgeous, witty, seductive movie.",
    "It takes an age to get going.",
)
_SENTENCES = (
    "They can fish.",
    "Time flies like an arrow; fruit flies like a banana.",
    "Will Will will the will to Will?",
)


@tab_of.register
def _(task: TextClassifier):
    return Tab(
        name="texts",
        title="Texts",
        introduction="Type a text; the network says what kind it is, and each pass which words it attended to.",
        fields={"text": ("Text", 3)},
        examples={text: (text,) for text in _REVIEWS},
        examples_label="Example",
        button="Classify",
        answer=functools.partial(_class_parts, task),
    )


@tab_of.register
def _(task: TokenTagger):
    return Tab(
        name="tags",
        title="Tags",
        introduction="Type a sentence; the network gives each of its words a tag.",
        fields={"sentence": ("Sentence", 2)},
        examples={text: (text,) for text in _SENTENCES},
        examples_label="Example",
        button="Tag",
        answer=functools.partial(_tag_parts, task),
    )


def _class_parts(task, text):
    [answer] = task.predict([{"text": text}])
    others = ", ".join(f"{label} {probability:.3f}" for label, probability in answer.probabilities.items())
    passes = (
        f"<p>pass {number}: {_colored(answer.words, gates)}</p>" for number, gates in enumerate(answer.gates, start=1)
    )
    return [
        f'<p class="answer">{html.escape(classification_text(answer))}</p>',
        f"<p>{html.escape(others)}</p>",
        *passes,
        *_unknown(answer),
    ]


def _tag_parts(task, sentence):
    [answer] = task.predict([{"tokens": split_words(sentence)}])
    rows = "".join(
        f'<tr><th scope="row">{html.escape(word)}</th><td>{html.escape(tag)}</td><td>{of_word[tag]:.2f}</td></tr>'
        for word, tag, of_word in zip(answer.words, answer.tags, answer.probabilities, strict=True)
    )
    header = '<thead><tr><th scope="col">word</th><th scope="col">tag</th><th scope="col">probability</th></tr></thead>'
    return [f'<div class="wide"><table>{header}<tbody>{rows}</tbody></table></div>', *_unknown(answer)]


def _unknown(answer):
    return [f"<p>{html.escape(line)}</p>" for line in unknown_words(answer)]


def _colored(words, gates):
    """Return words on a ground that is the darker the higher their gates are, HTML."""
    highest = max(gates)
    return " ".join(
        f'<span title="{gate:.3f}" style="background: rgba(8, 69, 148, {0.6 * gate / max(highest, 1e-9):.2f})">'
        f"{html.escape(word)}</span>"
        for word, gate in zip(words, gates, strict=True)
    )
