"""
Questions about images
======================

Trains a Visual DMN+ on generated images of coloured shapes, asks it, and draws the regions that it attended to.
"""

import pathlib
import tempfile

import keras
from matplotlib import pyplot

from dmn_keras import VisualQuestionAnswerer, datasets
from dmn_keras.inference.image_attention_plot import plot_image_attention

keras.utils.set_random_seed(0)

# %%
# The data
# --------
#
# Sort-of-CLEVR: each image has six shapes and 20 questions. 60 images show the form; a model that is to answer about
# new images needs some thousands.

train, test = (
    datasets.load("sort_of_clevr", task="all", split=split, num_examples=20 * num_images)
    for split, num_images in (("train", 60), ("test", 10))
)
print(train[0].question, train[0].answer)

# %%
# Train
# -----
#
# The questions about an image share a row of the batch, so that the convolutional network runs once for all of them.

vqa = VisualQuestionAnswerer(num_passes=2, units=32, image_size=32)
vqa.fit(train, epochs=2, verbose=0)
print({name: round(value, 3) for name, value in vqa.evaluate(test, verbose=0).items()})

# %%
# Ask, and look at the regions
# ----------------------------

answer = vqa.ask(test[0].image, test[0].question)
path = pathlib.Path(tempfile.mkdtemp()) / "attention.png"
plot_image_attention(answer, test[0].image, path)
pyplot.figure(figsize=(8, 3.2))
pyplot.imshow(pyplot.imread(path))
_ = pyplot.axis("off")
