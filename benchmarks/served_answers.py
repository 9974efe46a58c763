"""Time of one answer of the pretrained models for texts and images, as SavedModels, from text and encoded image."""

import itertools
import statistics
import tempfile

from benchmarks import base
from benchmarks.models import pretrained

MODELS = ("sst-binary", "sst-fine", "ud-english-ewt", "easy-vqa", "sort-of-clevr")


def main(arguments=None):
    """Measure, print the table, and write JSON."""
    parser = base.parser("served_answers", __doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, metavar="NAME")
    parser.add_argument("--examples", type=int, default=200, metavar="N", help="test examples, each asked by itself")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the folders of the data")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.models:
        task, examples = pretrained(name, options.examples, options.data_dir)
        rows.append({"model": name, "milliseconds": served_milliseconds(task, examples)})
    base.report("served_answers", arguments, options.json, table, {"examples": options.examples, "rows": rows})


def served_milliseconds(task, examples):
    """Return the median wall time of an answer through the exported model, each example asked by itself."""
    import tensorflow as tf

    from dmn_keras.serving.raw_inputs import raw_inputs

    with tempfile.TemporaryDirectory() as folder:
        path = task.export(folder, questions=examples[:1], warmup=False)
        answer = tf.saved_model.load(str(path)).signatures["text"]
    strings = raw_inputs(task.preprocessor).strings
    requests = [{n: tf.constant(values) for n, values in strings([example]).items()} for example in examples]
    asked = itertools.cycle(requests)
    return round(statistics.median(base.milliseconds(lambda: answer(**next(asked)), len(requests))), 2)


def table(*results):
    """Return the table of several measurements, with a row for each model."""
    rows = [[f"`{row['model']}`", f"{row['milliseconds']:.1f}"] for result in results for row in result["rows"]]
    return base.markdown(["model", "milliseconds an answer"], rows)


if __name__ == "__main__":
    main()
