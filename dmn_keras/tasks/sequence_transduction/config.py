"""Settings of sequence transduction."""

import dataclasses

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class SequenceTransductionConfig(Settings):
    """Sequence transduction.

    Attributes:
        loss_over_steps: `"mean"`: the loss of a sequence is the mean of its scored steps; `"sum"`: it is their sum, the
            cost that Graves et al. 2014 report. Adam learns the same from both; the `"rmsprop"` of Graves et al. 2013
            adds a constant to the square of the gradient, and hardly moves where long sequences have a small mean.
    """

    loss_over_steps: str = setting("mean", choices=("mean", "sum"))
