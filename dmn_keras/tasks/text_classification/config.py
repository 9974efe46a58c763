"""Settings of text classification."""

import dataclasses

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class TextClassificationConfig(Settings):
    """Text classification.

    Attributes:
        phrase_fraction: Fraction of the phrases in the training data (`is_phrase`) that each epoch draws anew.
    """

    phrase_fraction: float = setting(0.5, high=1.0)
