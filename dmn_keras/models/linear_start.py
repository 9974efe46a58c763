"""Training of MemN2N that begins without the softmax of its attention."""

import logging
from typing import Any

import keras

from dmn_keras.layers import MemoryHop
from dmn_keras.layers.checks import positive_integer

_log = logging.getLogger(__name__)


class LinearStart(keras.callbacks.Callback):
    """Switch the softmax of all hops off in the first epochs, and on after them.

    The attention of a hop is then the plain products of state and keys, in training as in validation, which leaves
    fewer poor local minima. The softmax that turns logits into answers is not touched.

    What an epoch does depends on its number alone, so that `fit(initial_epoch=...)` resumes rightly. The switch is a
    weight of the model (`MemoryHop.linear`), saved with the others: a model whose training ends before the switch
    stays linear, which a warning says. Attention without a softmax is no target for a loss on the gates.
    `logs["linear"]` tells later callbacks whether an epoch had none: `dmn_keras.train` keeps the weights of one that
    had.

    Args:
        epochs: Positive integer, the number of epochs without the softmax. The authors take 20 for one task and 30 for
            all together, with half the learning rate.

    Raises:
        ValueError: If `epochs` is no positive integer, or, when training begins, if the model has no `MemoryHop` with
            `attention="softmax"`.

    Example:

    >>> model = dmn_keras.models.memn2n(vocabulary_size=20)
    >>> model.compile("sgd", loss={"answer": dmn_keras.losses.AnswerCrossentropy()})
    >>> x = {"story": np.ones((4, 5, 6), "int32"), "question": np.ones((4, 3), "int32")}
    >>> y = {"answer": np.ones((4,), "int32")}
    >>> history = model.fit(x, y, epochs=2, callbacks=[LinearStart(1)], verbose=0)

    Reference:
        Sukhbaatar et al. 2015, arXiv:1503.08895, section 4.2.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = positive_integer("epochs", epochs)

    def on_train_begin(self, logs: Any = None) -> None:
        self._hops = [layer for layer in _layers(self.model) if getattr(layer, "linear", None) is not None]
        if not self._hops:
            raise ValueError(
                f"LinearStart needs a model with a MemoryHop of attention='softmax'. Received: {self.model.name!r}"
            )
        epochs = (self.params or {}).get("epochs")
        if epochs is not None and epochs <= self.epochs:
            _log.warning("No epoch has a softmax: linear_start=%d, epochs=%d", self.epochs, epochs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for hop in self._hops:
            hop.linear.assign(epoch < self.epochs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["linear"] = float(epoch < self.epochs)


def _layers(model):
    for layer in model.layers:
        if isinstance(layer, MemoryHop):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from _layers(layer)
