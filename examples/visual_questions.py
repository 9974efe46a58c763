"""Train a network that answers questions about images, ask it, and draw the regions that it attended to."""

import sys

from dmn_keras import VisualQuestionAnswerer, datasets
from dmn_keras.inference.image_attention_plot import plot_image_attention


def main(path, num_images=1000, epochs=10, **settings):
    """Train on generated images of coloured shapes, 20 questions each, and draw an answer into a file."""
    sizes = {"train": 20 * num_images, "valid": 400, "test": 400}
    train, valid, test = (
        datasets.load("sort_of_clevr", task="all", split=split, num_examples=size) for split, size in sizes.items()
    )
    vqa = VisualQuestionAnswerer(**settings)
    vqa.fit(train, validation_data=valid, epochs=epochs)
    print(vqa.evaluate(test))
    answer = vqa.ask(test[0].image, test[0].question)
    print(test[0].question, answer.answer)
    plot_image_attention(answer, test[0].image, path)


if __name__ == "__main__":
    main(sys.argv[1])
