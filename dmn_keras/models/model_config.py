"""Settings of a model, which build its network."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from dmn_keras import models
from dmn_keras.utils.settings import Settings

if TYPE_CHECKING:
    import keras  # which a command's help does not wait for


@dataclasses.dataclass(frozen=True)
class ModelConfig(Settings):
    """Base class of the settings of a model family.

    Class attributes:
        family: Name of the family, and of the function in `dmn_keras.models` that builds its network.
    """

    family: ClassVar[str]

    def build(self, *sizes: int, **options: Any) -> "keras.Model":
        """Return the network; the arguments are those of the family's function, without the settings."""
        return getattr(models, self.family)(*sizes, config=self, **options)
