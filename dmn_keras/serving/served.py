"""A trained task with its text processing as one TensorFlow module: what a SavedModel holds."""

import keras
import tensorflow as tf

from dmn_keras.layers.fact_retriever import THRESHOLD
from dmn_keras.models import can_retrieve, retrieved_facts
from dmn_keras.serving import image_question_inputs, word_inputs  # noqa: F401, register
from dmn_keras.serving.raw_inputs import raw_inputs
from dmn_keras.serving.text_ops import TextOps, distinct_words
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.tasks.task import Task
from dmn_keras.text import sentences


class _StoredWeights(tf.Module):
    """Copies of Keras variables, to run Keras models on: the Keras objects themselves do not belong into the file.

    Args:
        variables: The variables.
        dtype: What those of them that hold floats are stored as.
    """

    def __init__(self, variables, dtype):
        super().__init__(name="served")
        self._weights = [
            tf.Variable(tf.cast(v.value, dtype if "float" in v.dtype else v.dtype), trainable=False) for v in variables
        ]

    def _on_weights(self, network, variables):
        """Return a function that runs a Keras model on the stored weights, in place of its `variables`."""

        def run(**inputs):
            weights = [
                (variable, tf.cast(weight, variable.dtype))
                for variable, weight in zip(variables, self._weights, strict=True)
            ]
            with keras.StatelessScope(state_mapping=weights):
                return network(inputs, training=False)

        return run


class ServedTask(_StoredWeights):
    """Inputs of any `Task` in, the outputs of its prediction network out, in TensorFlow operations alone.

    Args:
        task: The `Task`.
        dtype: What the weights are stored as.

    Attributes:
        endpoints: The signatures by name, concrete functions. `serving_default` takes the arrays of the preprocessor's
            `specs`, `(batch, *axes)`; `text` takes the strings of its `raw_inputs`, `(batch,)`, where it has any.
    """

    def __init__(self, task: Task, *, dtype: str = "float32"):
        variables, preprocessor = task.network.weights, task.preprocessor
        super().__init__(variables, dtype)
        run = self._on_weights(task.prediction_network(), variables)

        def serve(**arrays):
            with tf.control_dependencies(_same_batch(**arrays)):
                return run(**arrays)

        def text(**strings):
            with tf.control_dependencies(_same_batch(**strings)):
                return self._raw.serve(run, **strings)

        arrays = {
            name: tf.TensorSpec([None, *spec.shape({})], spec.dtype, name) for name, spec in preprocessor.specs.items()
        }
        self.endpoints = {"serving_default": tf.function(serve).get_concrete_function(**arrays)}
        self._raw = raw_inputs(preprocessor)
        if self._raw is not None:
            strings = {name: tf.TensorSpec([None], tf.string, name) for name in self._raw.names}
            self.endpoints["text"] = tf.function(text).get_concrete_function(**strings)


class ServedModel(_StoredWeights):
    """Text in, answer and evidence out, in TensorFlow operations alone.

    Args:
        qa: The `QuestionAnswerer`; of a calibrated one the outputs have `"confidence"` and `"known"`.
        top: How many of the likeliest answers are given.
        dtype: What the weights are stored as.
    """

    def __init__(self, qa: QuestionAnswerer, *, top: int = 3, dtype: str = "float32"):
        model, answerer = qa.network, qa.prediction_network(beam_width=top)
        variables = model.weights
        super().__init__(variables, dtype)
        self._calibration = qa.calibration
        self._has_placeholders = int(bool(qa.vocabulary.placeholder_ids))
        self._text = TextOps(qa.vocabulary, qa.preprocessor.max_facts)
        self._retriever = None
        if can_retrieve(model) and qa.vocabulary.placeholder_ids:
            inputs = {name: model.input[name] for name in ("story", "question")}
            self._retriever = self._on_weights(keras.Model(inputs, {"retrieved": retrieved_facts(model)}), variables)
        self._least_stop = 0.5 if qa.config.model.gate == "sigmoid" else 0.0
        self.endpoints = self._make_endpoints(self._on_weights(model, variables), self._on_weights(answerer, variables))

    def _make_endpoints(self, model, answerer):
        """Return the signatures by name, concrete functions."""
        num_words = self._text.num_words
        text, ids = (lambda name: tf.TensorSpec([None], tf.string, name)), tf.int32

        @tf.function(input_signature=[text("story"), text("question")])
        def serve(story, question):
            return self._answer(answerer, story, question)

        def record(examples):
            features = tf.io.parse_example(
                examples, {"story": tf.io.RaggedFeature(tf.string), "question": tf.io.FixedLenFeature([], tf.string)}
            )
            story = tf.strings.reduce_join(features["story"], axis=-1, separator=f"{sentences.SEPARATOR}\n")
            return serve(story, features["question"])

        def tokens(story, question):
            checks = _same_batch(story=story, question=question)
            for name, given in (("story", story), ("question", question)):
                message = f"{name} must hold ids from 0 to {num_words - 1}, at least one place"
                checks += [
                    tf.debugging.assert_non_negative(given, message),
                    tf.debugging.assert_less(given, num_words, message),
                    tf.debugging.assert_positive(tf.reduce_prod(tf.shape(given)[1:]), message),
                ]
            with tf.control_dependencies(checks):
                outputs = model(story=story, question=question)
            return {"logits": outputs["answer"], "gates": outputs["gates"]}

        story_ids = tf.TensorSpec([None, None, None], ids, "story")
        return {
            "serving_default": serve.get_concrete_function(),
            "record": tf.function(record, [text("examples")]).get_concrete_function(),
            "tokens": tf.function(
                tokens, [story_ids, tf.TensorSpec([None, None], ids, "question")]
            ).get_concrete_function(),
        }

    def _answer(self, answerer, story, question):
        with tf.control_dependencies(_same_batch(story=story, question=question)):
            read = self._text.read(story, question)
        facts = read.facts
        apart = self._text.assign_placeholders(read, self._retrieved(read))
        outputs = answerer(story=apart.story, question=apart.question)
        top = self._text.answers(outputs["top_words"], apart.placeholders)
        probabilities = tf.exp(outputs["top_log_probabilities"])
        # As many gates as facts are shown: a story without one was read as an empty fact.
        gates = self._until_stop(outputs)[:, :, : tf.shape(facts)[1]]
        unknown_words = self._unknown_words(read, apart.has_none, self._is_evidence(gates))
        num_unknown = tf.cast(unknown_words.row_lengths() + self._has_placeholders, tf.float32)
        shown, of_retriever = None, {}
        if "retrieved" in outputs:
            shown = outputs["retrieved"]
            facts, gates, of_retriever = _retrieved_alone(shown[:, : tf.shape(facts)[1]], facts, gates)
            of_retriever["num_above_threshold"] = tf.reduce_sum(
                tf.cast(outputs["retriever"] > THRESHOLD, tf.int32), axis=1
            )
        answers = {
            "answer": top[:, 0],
            "probability": probabilities[:, 0],
            "top_answers": top,
            "top_probabilities": probabilities,
            "facts": facts,
            "gates": gates,
            "unknown_words": self._unknown_words(read, apart.has_none, shown).to_tensor(""),
            **of_retriever,
        }
        if self._calibration is not None:
            answers["confidence"] = self._confidence(probabilities[:, 0]) / tf.maximum(num_unknown, 1.0)
            answers["known"] = answers["confidence"] >= self._calibration.threshold
            if "retrieved" in outputs:  # of a story of which nothing is retrieved nothing is known
                answers["known"] &= tf.reduce_any(outputs["retrieved"], axis=1)
        return answers

    def _retrieved(self, read):
        """Return the facts that a retriever selects, boolean `(batch, facts)`; `None` where it is not asked."""
        if self._retriever is None:
            return None
        shown = self._retriever(story=read.story, question=read.question)["retrieved"]
        return shown[:, : tf.shape(read.facts)[1]]

    def _until_stop(self, outputs):
        """Return the gates, zero in the passes after the one that a learned stop ended with."""
        gates = outputs["gates"]
        if "stop" not in outputs:
            return gates
        stopped = outputs["stop"] > tf.maximum(tf.reduce_max(gates, axis=-1), self._least_stop)
        before = tf.cumsum(tf.cast(stopped, gates.dtype), axis=1, exclusive=True) == 0
        return tf.where(before[:, :, None], gates, 0.0)

    def _is_evidence(self, gates):
        """Return which facts decided an answer, boolean `(batch, facts)`."""
        highest = tf.reduce_max(gates, axis=2, keepdims=True)
        return tf.reduce_any((gates > 0) & (gates >= 0.5 * highest), axis=1)

    def _unknown_words(self, read, is_counted, chosen):
        """Return the different words of some facts and the question that the model does not know.

        Args:
            read: The batch, as `TextOps.read` returns it.
            is_counted: boolean `(words,)`, which of its unknown words count: those without a placeholder.
            chosen: boolean `(batch, facts)`, the facts; `None` for all.

        Returns:
            Ragged strings `(batch, words)`, in lower case, their characters decomposed.
        """
        batch, row, words = tf.shape(read.story)[0], read.unknown_at[:, 0], read.unknown
        if chosen is not None:
            is_counted &= read.in_chosen(chosen)
        return distinct_words(row[is_counted], words[is_counted], batch)

    def _confidence(self, probability):
        probability = tf.clip_by_value(tf.cast(probability, tf.float64), 1e-7, 1 - 1e-7)
        log_odds = tf.math.log(probability) - tf.math.log1p(-probability)
        scaled = self._calibration.scale * log_odds + self._calibration.shift
        return tf.cast(tf.sigmoid(scaled), tf.float32)


def _retrieved_alone(retrieved, facts, gates):
    """Leave out the facts that were not retrieved; the third result says which the others were, and of how many."""
    places = tf.broadcast_to(tf.range(tf.shape(retrieved)[1]), tf.shape(retrieved))
    of_facts = tf.ragged.boolean_mask(tf.transpose(gates, [0, 2, 1]), retrieved).to_tensor(0.0)
    of_retriever = {
        "positions": tf.ragged.boolean_mask(places, retrieved).to_tensor(-1),
        "num_facts": tf.reduce_sum(tf.cast(facts != "", tf.int32), axis=1),
    }
    facts = tf.ragged.boolean_mask(facts, retrieved).to_tensor("")
    return facts, tf.transpose(of_facts, [0, 2, 1]), of_retriever


def _same_batch(**inputs):
    """Return the checks that all inputs hold as many examples."""
    (name, first), *others = inputs.items()
    return [
        tf.debugging.assert_equal(
            tf.shape(first)[0], tf.shape(other)[0], message=f"{name} and {other_name} must have the same batch size"
        )
        for other_name, other in others
    ]
