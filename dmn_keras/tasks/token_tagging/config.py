"""Settings of token tagging."""

import dataclasses

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class TokenTaggingConfig(Settings):
    """Token tagging.

    Attributes:
        context_size: Words on each side of a word that its memory reads.
    """

    context_size: int = setting(2, high=1000)
