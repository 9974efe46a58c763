"""Question answering about stories."""

import dataclasses
import functools
import itertools
import logging
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets.example import Example
from dmn_keras.layers.checks import positive_integer, probability
from dmn_keras.models import LinearStart, answering_model, can_retrieve, forbid_unused_placeholders
from dmn_keras.models.dmn_config import DMNConfig
from dmn_keras.tasks.question_answering.answer import Answer, answer_text, attention_table
from dmn_keras.tasks.question_answering.augmentation import PlaceholderAugmentation
from dmn_keras.tasks.question_answering.calibration import Calibration
from dmn_keras.tasks.question_answering.data_report import data_report
from dmn_keras.tasks.question_answering.preprocessor import EncodedExample, QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.retrieval import THRESHOLD, Retrieved, StoryRetriever
from dmn_keras.tasks.question_answering.targets import (
    answer_target,
    chain_target,
    gate_target,
    retriever_target,
    stop_target,
)
from dmn_keras.tasks.question_answering.unanswerable import unanswerable
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.task import Task
from dmn_keras.text import (
    END_ID,
    SPECIAL_WORDS,
    SUPPRESSED_IDS,
    UNKNOWN_ID,
    Sentence,
    lower,
    num_cut,
    read_sentences,
    split_sentences,
    tokenize,
)
from dmn_keras.text.word_vectors import word_vector_matrix
from dmn_keras.utils.files import write_json

_log = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="dmn_keras")
class QuestionAnswerer(Task):
    """Answers questions about stories, in one word or several, and shows which facts decided.

    Supporting facts that the training data names supervise the gates (`supervise_gates`). The default model is the
    preset `normed` or, with fewer than 500 training questions, reads facts as `fused` does.

    Args:
        config: A `RunConfig`, a `DMNConfig`, or `None` for the defaults.
        preprocessor: A `QuestionAnsweringPreprocessor`.
        **settings: Settings to change, by name.

    Attributes:
        calibration: The `Calibration` of the probabilities, `None` where it was not measured.

    Example:

    >>> qa = dmn_keras.QuestionAnswerer.from_preset("babi-joint")
    >>> qa.ask("Mary got the milk. Mary went to the kitchen.", "Where is the milk?").answer
    'kitchen'
    >>> story = ["John went to the garden.", "Mary left the garden."]
    >>> [answer.answer for answer in qa.predict({"story": [story], "question": ["Where is John?"]})]
    ['garden']
    """

    preprocessor_class = QuestionAnsweringPreprocessor
    families = ("dmn", "memn2n", "baseline")
    calibration: Calibration | None = None

    def new_preprocessor(self) -> QuestionAnsweringPreprocessor:
        retrieves = self.config.model.max_retrieved_facts is not None
        settings = self.config.task
        return QuestionAnsweringPreprocessor(
            None if retrieves else self.config.data.max_facts,
            num_placeholders=settings.num_placeholders,
            min_stories=settings.min_stories,
        )

    @property
    def vocabulary(self) -> Any:
        """The `Vocabulary`, `None` before the preprocessor is adapted."""
        return self.preprocessor.vocabulary

    @property
    def supervises_gates(self) -> bool:
        """Whether supporting facts teach the gates: the setting, where the data names any and the model has gates."""
        has_gates = self.config.model.gate is not None
        return self.config.task.supervise_gates and has_gates and self.preprocessor.num_supporting_facts > 0

    def build_network(self) -> keras.Model:
        num_placeholders = len(self.vocabulary.placeholder_ids)
        options = {"answer_words": self.preprocessor.answer_words}
        if isinstance(self.config.model, DMNConfig):
            passes = min(max(self.preprocessor.num_supporting_facts, 2), 3) if self.supervises_gates else 3
            model = self.config.model.settled(self.preprocessor.num_questions, passes)
            self.config = dataclasses.replace(self.config, model=model)
            options |= {"word_vectors": self._word_vectors(), "num_placeholders": num_placeholders}
        elif self.config.data.word_vectors is not None:
            raise ValueError(f"word_vectors must be None for model.family={self.config.model.family}.")
        network = self.config.model.build(len(self.vocabulary), **options)
        return forbid_unused_placeholders(network, num_placeholders) if num_placeholders else network

    def _word_vectors(self):
        """Return the word vectors to start from, `None` for random ones."""
        source = self.config.data.word_vectors
        if source is None:
            return None
        vectors, missing = word_vector_matrix(source, self.vocabulary, seed=self.config.trainer.seed)
        found = len(self.vocabulary) - len(SPECIAL_WORDS) - len(missing)
        shown = ", ".join(missing[:10]) + (" ..." if len(missing) > 10 else "")
        _log.info("Word vectors: %d words found, %d missing: %s", found, len(missing), shown)
        return vectors

    @functools.cached_property
    def backbone(self) -> keras.Model:
        """The network without its answer: from `story` and `question` to `memory` and `gates`.

        Raises:
            ValueError: If the network is no Dynamic Memory Network.
        """
        inputs = {tensor.name: tensor for tensor in self.network.inputs if tensor.name != "answer"}
        if not isinstance(self.config.model, DMNConfig):
            raise ValueError(f"backbone needs model.family=dmn. Received: model.family={self.config.model.family}")
        memory = self.network.get_layer("memory_dropout").output
        return type(self.network)(inputs, {"memory": memory, "gates": self.network.output["gates"]}, name="backbone")

    def targets(self) -> list[Target]:
        self.network  # noqa: B018, settles the number of passes
        task, model = self.config.task, self.config.model
        targets = [answer_target(self.preprocessor.answer_words)]
        epochs, attention = getattr(model, "linear_start", 0), getattr(model, "attention", "softmax")
        if epochs and self.supervises_gates:
            raise ValueError(f"linear_start needs supervise_gates=False. Received: linear_start={epochs}")
        if attention == "hard" and not self.supervises_gates:
            raise ValueError(
                "attention='hard' learns from supporting facts: it needs supervise_gates=True and data that names them."
            )
        if self.supervises_gates:
            options = {"order": task.gate_order, "learned_stop": model.learned_stop, "weight": task.gate_weight}
            targets.append(gate_target(model.num_passes, model.gate, **options))
            if model.learned_stop:
                targets.append(stop_target(model.num_passes, task.gate_weight))
        if model.max_retrieved_facts is not None:
            targets.append(self._chain_target() if model.retriever == "chain" else retriever_target())
        return targets

    def _chain_target(self):
        if not self.preprocessor.num_supporting_facts:
            raise ValueError("retriever='chain' learns from supporting facts. Received training data that names none.")
        if self.config.task.gate_order != "annotated":
            raise ValueError(
                "retriever='chain' finds supporting facts in their order: it needs gate_order='annotated'. "
                f"Received: gate_order={self.config.task.gate_order!r}"
            )
        return chain_target(self.config.model.retriever_rounds)

    def augmentation(self) -> PlaceholderAugmentation | None:
        if not self.vocabulary.placeholder_ids:
            return None
        fractions = self.config.task.placeholder_fraction, self.config.task.known_fraction
        return PlaceholderAugmentation(self.vocabulary.placeholder_ids, *fractions)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        epochs = getattr(self.config.model, "linear_start", 0)
        return [LinearStart(epochs)] if epochs else []

    def get_metrics_result(self) -> dict[str, Any]:
        # Keras leaves out the name of an output where there is one alone, when no gates are supervised.
        return {"answer_accuracy" if k == "accuracy" else k: value for k, value in super().get_metrics_result().items()}

    def prediction_network(self, beam_width: int = 1) -> keras.Model:  # type: ignore[override]
        if positive_integer("beam_width", beam_width) > len(self.vocabulary):
            raise ValueError(
                f"beam_width must be at most the number of words that the model knows, {len(self.vocabulary)}. "
                f"Received: beam_width={beam_width}"
            )
        one_word = self.preprocessor.answer_words is None
        suppressed = (*SUPPRESSED_IDS, END_ID) if one_word else SUPPRESSED_IDS  # the end word ends longer answers
        return answering_model(self.network, beam_width=beam_width, suppress_tokens=suppressed)

    def load_extras(self, folder: Any) -> None:
        self.calibration = Calibration.load(folder.calibration) if folder.calibration.exists() else None

    def save_extras(self, folder: Any) -> None:
        if self.calibration is None:
            folder.calibration.unlink(missing_ok=True)
        else:
            write_json(folder.calibration, dataclasses.asdict(self.calibration))

    @functools.cached_property
    def retriever(self) -> StoryRetriever | None:
        """Reads stories of any length for a model with a retriever of single sentences; `None` for another model."""
        return StoryRetriever(self.network, self.vocabulary) if can_retrieve(self.network) else None

    def ask(
        self,
        story: str | pathlib.Path | Iterable,
        question: str,
        *,
        wrapped: bool = False,
        beam_width: int = 1,
        min_confidence: float | None = None,
    ) -> Answer:
        """Answer one question.

        A model with a retriever of single sentences (`max_retrieved_facts`) reads the story once, sentence by sentence,
        however long it is; others read it whole.

        Args:
            story: Text, a `pathlib.Path` of a text file, or an iterable of facts, texts or those of `read_sentences`.
            question: Text.
            wrapped: Of a file, whether its lines are broken to fit a page, as in `read_sentences`.
            beam_width: Width of the search for answers of several words, and how many answers are given in all.
            min_confidence: Confidence below which the answer is not known. Defaults to that of the calibration.

        Returns:
            The `Answer`.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If a fact is no text.
            ValueError: If story or question holds no word, the file is no text, or `min_confidence` is given and the
                probabilities are not calibrated.
        """
        self._check(question, min_confidence)
        facts = _facts(story, wrapped)
        if self.retriever is not None:
            [retrieved] = self.retriever.retrieve(facts, [question])
            return self.answer_retrieved(retrieved, question, beam_width, min_confidence)
        facts = tuple(facts)
        if not any(map(tokenize, facts)):
            raise ValueError("story must hold at least one word. Received an empty story.")
        return self._ask(facts, question, beam_width, min_confidence)

    def ask_index(
        self, index: Any, question: str, *, beam_width: int = 1, min_confidence: float | None = None
    ) -> Answer:
        """Answer one question about a story that was read before.

        Args:
            index: A `dmn_keras.long_context.StoryIndex`.
            question: As in `ask`, as are the next two.
            beam_width: As in `ask`.
            min_confidence: As in `ask`.

        Returns:
            The `Answer`, that of `ask` about the story itself.

        Raises:
            ValueError: If the index is damaged or was made with another model, and as in `ask`.
        """
        self._check(question, min_confidence)
        if self.retriever is None:
            raise ValueError(
                "An index is for a model with a retriever (max_retrieved_facts) of single sentences "
                "(retriever='sentence'). Received a model without one."
            )
        [retrieved] = index.retrieve(self.retriever, [question])
        return self.answer_retrieved(retrieved, question, beam_width, min_confidence)

    def _check(self, question, min_confidence):
        if min_confidence is not None:
            probability("min_confidence", min_confidence)
            if self.calibration is None:
                raise ValueError("min_confidence needs a calibrated model (see dmn-keras calibrate). This one is not.")
        if not isinstance(question, str):
            raise TypeError(f"question must be a text. Received: {question!r:.100}")
        if not tokenize(question):
            raise ValueError(f"question must hold at least one word. Received: {question!r}")

    def _ask(self, facts, question, beam_width, min_confidence):
        encoded = self.preprocessor.encode([Example(story=facts, question=question)])
        [answer] = self.predict_encoded(encoded, 1, beam_width=beam_width)
        return self._judged(answer, min_confidence)

    def answer_retrieved(
        self, retrieved: Retrieved, question: str, beam_width: int, min_confidence: float | None
    ) -> Answer:
        """Return the `Answer` to a story of which these facts were retrieved."""
        selected = retrieved.facts
        # A model whose retriever drops all sees an empty story, and so it does where it drops the only fact.
        facts = tuple(fact.text for fact in selected or (retrieved.nearest,))
        answer = self._ask(facts, question, beam_width, min_confidence)
        counts = {"num_facts": retrieved.num_facts, "num_above_threshold": retrieved.num_above_threshold}
        return dataclasses.replace(answer, positions=tuple(fact.position for fact in selected), **counts)

    def predict_encoded(
        self, encoded: Sequence[EncodedExample], batch_size: int = 64, verbose: int = 0, **options: Any
    ) -> list[Answer]:
        if self.vocabulary.placeholder_ids:
            encoded = list(map(self._with_placeholders_of_ask, encoded))
        return super().predict_encoded(encoded, batch_size, verbose, **options)

    def _with_placeholders_of_ask(self, example):
        """Return an example as `ask` reads it, which does not know which sentences are the story's own.

        Words of all facts get placeholders, or of those alone that the retriever selects: the others may have many.
        """
        if self.retriever is None:
            return example if example.story_positions is None else self.preprocessor.assign_placeholders(example)
        if not self.preprocessor.unknown_words([*example.facts, example.question_text]):
            return example
        facts = self.retriever.retrieve(example.facts, [example.question_text])[0].facts if example.facts else ()
        return self.preprocessor.assign_placeholders(example, [fact.position for fact in facts])

    def predict(  # type: ignore[override]
        self,
        x: Any,
        *,
        batch_size: int = 64,
        verbose: int = 0,
        beam_width: int = 1,
        min_confidence: float | None = None,
    ) -> list[Answer]:
        """Return the `Answer`s to raw examples, in their order.

        Args:
            x: Examples in one of the forms of `dmn_keras.tasks.examples.read_examples`.
            batch_size: Examples answered at a time; no answer depends on it.
            verbose: 1 for a progress bar, 2 for one line at the end, 0 for neither.
            beam_width: As in `ask`.
            min_confidence: As in `ask`.

        Raises:
            ValueError: If the preprocessor is not adapted, or a record is malformed.
        """
        if min_confidence is not None:
            self._check("any", min_confidence)
        answers = super().predict(x, batch_size=batch_size, verbose=verbose, beam_width=beam_width)
        return [self._judged(answer, min_confidence) for answer in answers]

    def encode_training(self, examples: Mapping[str, Sequence[Example]]) -> list:
        encoded = super().encode_training(examples)
        for of_part in examples.values():
            again = unanswerable(of_part, self.config.task.unanswerable_fraction, self.config.trainer.seed)
            encoded += [dataclasses.replace(e, answer=(UNKNOWN_ID,)) for e in self.preprocessor.encode(again)]
        return encoded

    def data_report(
        self, train: Mapping[str, Sequence[Example]], valid: Mapping[str, Sequence[Example]]
    ) -> Iterator[str]:
        return data_report(train, valid, self.preprocessor)

    def is_right(self, example: Example, answer: Answer) -> bool:
        """Return whether an answer has all words of an example's answer, in their order."""
        return list(answer.words) == tokenize(example.answer_text, lowercase=True)

    def score(self, examples: Sequence[Example], answers: Sequence[Answer]) -> dict[str, float]:
        """Return `"accuracy"` and, where the examples name supporting facts and the network has gates, `"gate_recall"`.

        The recall is the percentage of the supporting facts found among as many facts with the highest gates, over all
        passes.
        """
        pairs = list(zip(examples, answers, strict=True))
        metrics = {"accuracy": 100.0 * sum(itertools.starmap(self.is_right, pairs)) / len(pairs)}
        recall = _gate_recall(pairs) if self.config.model.gate is not None else None
        return metrics if recall is None else {**metrics, "gate_recall": 100.0 * recall}

    def explain(self, example: Example, answer: Answer) -> str:
        right = f"; right: {example.answer_text}" if example.answer else ""
        return f"Question: {example.question}\nAnswer:   {answer_text(answer)}{right}\n\n{attention_table(answer)}"

    def mistake(self, example: Example, answer: Answer) -> dict[str, Any] | None:
        if self.is_right(example, answer):
            return None
        return {
            "question": example.question,
            "expected": example.answer_text,
            "answer": answer.answer,
            "probability": round(answer.probability, 4),
            "evidence": " | ".join(answer.facts[i] for i in sorted(set(itertools.chain(*answer.evidence)))),
            "unknown_words": " ".join(answer.unknown_words),
            "story": " ".join(answer.facts),
        }

    def decode(
        self, outputs: Sequence[Mapping[str, np.ndarray]], encoded: Sequence[EncodedExample], beam_width: int = 1
    ) -> list[Answer]:
        return [self._answer(row, example) for row, example in zip(outputs, encoded, strict=True)]

    def _answer(self, row, example):
        facts = example.facts
        gates = row["gates"][:, : len(facts)]
        if "stop" in row:
            # As the episodic memory chooses: sigmoid gates do not compete, so the stop must also be likely in itself.
            least = 0.5 if self.config.model.gate == "sigmoid" else 0.0
            stopped = row["stop"] > gates.max(axis=1, initial=least)
            gates = gates[: int(np.argmax(stopped)) + 1] if stopped.any() else gates
        retrieved = {}
        if "retrieved" in row:
            selected = np.flatnonzero(row["retrieved"][: len(facts)]).tolist()
            num_above_threshold = int((row["retriever"][: len(facts)] > THRESHOLD).sum())
            retrieved = {
                "positions": tuple(selected),
                "num_facts": len(facts),
                "num_above_threshold": num_above_threshold,
            }
            facts, gates = tuple(facts[i] for i in selected), gates[:, selected]
        likeliest = zip(row["top_words"].tolist(), np.exp(row["top_log_probabilities"]).tolist(), strict=True)
        answer_text = functools.partial(self.vocabulary.answer_text, placeholders=example.placeholders)
        others = tuple((answer_text(ids), p) for ids, p in itertools.islice(likeliest, 1, None) if p > 0)
        with_placeholder = set(map(lower, example.placeholders))
        return Answer(
            answer=answer_text(row["words"].tolist()),
            probability=float(np.exp(row["log_probability"])),
            facts=facts,
            gates=tuple(map(tuple, gates.tolist())),
            unknown_words=self.preprocessor.unknown_words([*facts, example.question_text], with_placeholder),
            others=others,
            num_cut=num_cut([example.question_text, *facts]),
            words=tuple(self.vocabulary.answer(row["words"].tolist(), example.placeholders)),
            question=example.question_text,
            **retrieved,
        )

    def _judged(self, answer, min_confidence):
        """Return an answer with its confidence, and whether it is known."""
        known = answer.positions is None or bool(answer.facts)  # a retriever may have found nothing
        if self.calibration is None:
            return dataclasses.replace(answer, known=known)
        decisive = (answer.facts[i] for i in sorted(set(itertools.chain(*answer.evidence))))
        unknown = self.preprocessor.unknown_words([answer.question, *decisive])
        num_unknown = len({*answer.unknown_words}.intersection(unknown))
        # A single unknown word cannot be confused with others, but where placeholders exist with those that have one.
        num_candidates = max(num_unknown + bool(self.vocabulary.placeholder_ids), 1)
        confidence = float(self.calibration.confidence(answer.probability)) / num_candidates
        threshold = self.calibration.threshold if min_confidence is None else min_confidence
        return dataclasses.replace(answer, confidence=confidence, known=known and confidence >= threshold)


def _gate_recall(rows):
    """Return the fraction of supporting facts among the facts with the highest gates, `None` where none are named."""
    found = named = 0
    for example, answer in rows:
        facts = set(example.supporting_facts)
        if not facts:
            continue
        gates = np.max(answer.gates, axis=0)
        highest = np.argsort(-gates, kind="stable")[: len(facts)].tolist()
        positions = range(len(gates)) if answer.positions is None else answer.positions
        found += len(facts & {positions[i] for i in highest})
        named += len(facts)
    return found / named if named else None


def _facts(story, wrapped):
    """Return an iterable of a story's facts, which holds no more of a file than it must."""
    if isinstance(story, str):
        return split_sentences(story)
    if isinstance(story, bytes | Mapping) or not isinstance(story, Iterable | pathlib.Path):
        raise TypeError(f"story must be a text, a pathlib.Path or an iterable of facts. Received: {story!r:.100}")
    return map(_text, read_sentences(story, wrapped=wrapped) if isinstance(story, pathlib.Path) else story)


def _text(fact):
    text = fact.text if isinstance(fact, Sentence) else fact
    if not isinstance(text, str):
        raise TypeError(f"story must hold facts, texts each. Received one of type {type(text).__name__}.")
    return text
