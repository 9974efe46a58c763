"""Settings of visual question answering."""

import dataclasses

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class VisualQuestionAnsweringConfig(Settings):
    """Visual question answering.

    Attributes:
        questions_per_row: Most questions about one image that stand in a row of a batch. They share its feature map, so
            that the convolutions run once for all of them; `batch_size` counts rows.
    """

    questions_per_row: int = setting(32, high=1000)
