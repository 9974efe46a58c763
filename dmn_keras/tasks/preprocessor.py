"""Raw examples <-> arrays: the base class of all preprocessors."""

import abc
import collections
import contextlib
import functools
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from dmn_keras.tasks.batching import Features
from dmn_keras.tasks.examples import read_examples
from dmn_keras.tasks.feature_spec import FeatureSpec

_MOST_WORDS = 8  # in a warning
_log = logging.getLogger(__name__)


def warn_of_unseen(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Warn of labels or answers that the training data lacks, which count as wrong."""
    unseen = collections.Counter(name for name in names if name not in known)
    if unseen:
        _log.warning(
            "%s %s are none of the training data and count as wrong: %s", unseen.total(), kind, shown_names(unseen)
        )


def warn_of_one_class(kind: str, classes: Sequence[str]) -> None:
    """Warn where all training examples have the same label or answer."""
    if len(classes) == 1:
        _log.warning("all training examples have the %s %r: the model can give no other", kind, classes[0])


def shown_names(names: Collection[str]) -> str:
    """Return the first of some names, in order."""
    return ", ".join(sorted(names)[:_MOST_WORDS]) + (", ..." if len(names) > _MOST_WORDS else "")


class Preprocessor(abc.ABC):
    """Turns raw examples into arrays, and what a model gives into answers.

    It is the only place where text, images or symbols become arrays: training, evaluation, prediction, the index and
    the export all go through it.

    Class attributes:
        example_class: Record of an example, in `dmn_keras.datasets`.
    """

    example_class: ClassVar[type]
    is_locked = False
    """Whether a network was built for what `adapt` learned, so that another `adapt` is refused."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "adapt" in vars(cls):
            cls.adapt = _all_or_nothing(cls.adapt)  # type: ignore[method-assign]

    @property
    @abc.abstractmethod
    def is_adapted(self) -> bool:
        """Whether `adapt` was called, or the state that it leaves was loaded."""

    @abc.abstractmethod
    def adapt(self, data: Any) -> None:
        """Learn from training data what encoding needs, such as the vocabulary; forgets what was learned before.

        Raises:
            ValueError: If there is no example, or a network was built for what was learned before.
        """

    @property
    @abc.abstractmethod
    def specs(self) -> Mapping[str, FeatureSpec]:
        """`FeatureSpec` of each input of the network."""

    @abc.abstractmethod
    def encode(self, examples: Sequence) -> list:
        """Return what the network reads of each example, not yet padded: an object with an attribute per input."""

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold of settings and adapted state."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the preprocessor that gave a `get_config`."""
        return cls(**config)

    def read(self, data: Any) -> list:
        """Return raw data as a list of `example_class`, see `dmn_keras.tasks.examples.read_examples`."""
        return read_examples(data, self.example_class)

    def unseen_words(self, examples: Sequence) -> Sequence[str]:
        """Return the different words of raw examples that training never saw; none for data without words."""
        return ()

    def unseen_classes(self, examples: Sequence) -> Collection[str]:
        """Return the different labels or answers of examples that the network has no class for; none where it has."""
        return ()

    def unseen_words_warning(self, examples: Sequence, part: str) -> str:
        """Return a line that counts the `unseen_words` of a part of the data, `""` where there are none."""
        words = self.unseen_words(examples)
        if not words:
            return ""
        more = f" and {len(words) - _MOST_WORDS:,} more" if len(words) > _MOST_WORDS else ""
        shown = ", ".join(words[:_MOST_WORDS])
        return f"warning: {len(words):,} words of the {part} were never seen in training: {shown}{more}"

    def features(self, encoded: Sequence) -> Features:
        """Return the inputs of encoded examples, for `Batches`."""
        inputs = {name: [getattr(example, name) for example in encoded] for name in self.specs}
        return Features(inputs, {}, self.specs)

    def __call__(self, data: Any) -> dict:
        """Return the padded arrays of raw examples, a dict of input name to array `(examples, ...)`.

        Raises:
            ValueError: If there is no example, or the preprocessor is not adapted.
        """
        self.check_adapted()
        features = self.features(self.encode(self.read(data)))
        if not len(features):
            raise ValueError("data must hold at least one example. Received none.")
        sizes = features.largest_sizes()
        return {name: features.specs[name].pad(values, sizes) for name, values in features.inputs.items()}

    @contextlib.contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Forget, where a block ends with an error, what it has learned."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def check_adapted(self) -> None:
        """Raise `ValueError` if the preprocessor is not adapted."""
        if not self.is_adapted:
            raise ValueError("The preprocessor is not adapted yet: call adapt(training_data) or fit first.")


def _all_or_nothing(adapt):
    @functools.wraps(adapt)
    def checked(self, data):
        if self.is_locked:
            raise ValueError(
                "adapt was called after the network was built for other data. Make a new task for new words; fit "
                "continues with the words that are known."
            )
        with self.unchanged_by_errors():
            adapt(self, data)

    return checked
