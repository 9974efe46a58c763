"""Do a trained model's answers depend on how they are asked for? Counts those that change, which must be none.

The test questions of each run in a folder are answered in batches of several sizes, in reversed order, one by one by
`ask`, and, on TensorFlow, by the exported graph, whose outputs are read as the client reads them. Each answer is
compared with that in batches of 100. Exit status 1 if one differs.
"""

import sys
import tempfile

from benchmarks import base

REFERENCE = 100
"""Batch size of the answers that the others are compared with."""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 0 if no answer changed, else 1.
    """
    from dmn_keras.training.run_folder import RunFolder

    parser = base.parser("invariance", __doc__)
    parser.add_argument("folder", metavar="RUN", help="folder that `dmn-keras train` wrote, or one of such folders")
    parser.add_argument("--data-dir", metavar="DIR", help="where the run's data lies, where it has any")
    parser.add_argument("--questions", type=int, metavar="N", help="only the first test questions of each task")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 7, 1000])
    options = parser.parse_args(arguments)
    runs = {run.path.name: measure(run, options) for run in RunFolder(options.folder).runs()}
    changed = sum(variant["changed"] for run in runs.values() for variant in run["variants"])
    base.report("invariance", arguments, options.json, table, {"changed": changed, "runs": runs})
    return 1 if changed else 0


def measure(run, options):
    """Answer the test questions of a run in every way and compare.

    Returns:
        Dict of `"questions"` and `"variants"`: for each way its `"name"`, how many answers `"changed"`, and the
        largest differences of a gate and of an answer's probability.
    """
    from dmn_keras import QuestionAnswerer
    from dmn_keras.inference.evaluation import load_test_examples

    qa = run.load(QuestionAnswerer)
    tasks = load_test_examples(base.read_source(run.path, options.data_dir), qa.config.trainer.seed)
    examples = [example for of_task in tasks.values() for example in of_task[: options.questions]]
    encoded = qa.preprocessor.encode(examples)
    reference = qa.predict_encoded(encoded, REFERENCE)
    variants = {f"batches of {size}": qa.predict_encoded(encoded, size) for size in options.batch_sizes}
    variants["in reversed order"] = qa.predict_encoded(encoded[::-1], REFERENCE)[::-1]
    variants["ask"] = [qa.ask(example.story, example.question) for example in examples]
    variants |= exported(qa, examples)
    found = [compare(name, reference, others) for name, others in variants.items()]
    return {"questions": len(encoded), "variants": found}


def exported(qa, examples):
    """Return the answers of the exported graph, where TensorFlow is the backend; the likeliest of one candidate."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return {}
    import tensorflow as tf

    from dmn_keras.serving.client import answers_from_outputs
    from dmn_keras.text import join_sentences

    answers = []
    with tempfile.TemporaryDirectory() as folder:
        version = qa.export(folder, top=1, warmup=False)
        serve = tf.saved_model.load(str(version)).signatures["serving_default"]
        for start in range(0, len(examples), REFERENCE):
            part = examples[start : start + REFERENCE]
            stories, questions = [join_sentences(e.story) for e in part], [e.question for e in part]
            outputs = serve(story=tf.constant(stories), question=tf.constant(questions))
            arrays = {name: values.numpy() for name, values in outputs.items()}
            answers += answers_from_outputs(arrays, len(part))
    return {"exported graph and client": answers}


def compare(name, reference, answers):
    """Count the answers that differ from the reference, and find the largest differences of their numbers."""
    import numpy as np

    pairs = list(zip(reference, answers, strict=True))
    return {
        "name": name,
        "changed": sum((a.answer, a.facts) != (b.answer, b.facts) for a, b in pairs),
        "gate_difference": float(max(np.abs(np.subtract(a.gates, b.gates)).max(initial=0.0) for a, b in pairs)),
        "probability_difference": max(abs(a.probability - b.probability) for a, b in pairs),
    }


def table(result):
    """Return the table of a measurement, with a row for each run and way of answering."""
    rows = [
        [
            run,
            content["questions"],
            variant["name"],
            variant["changed"],
            f"{variant['gate_difference']:.1e}",
            f"{variant['probability_difference']:.1e}",
        ]
        for run, content in result["runs"].items()
        for variant in content["variants"]
    ]
    header = ["run", "questions", "answered", "changed", "gates differ by", "probabilities differ by"]
    return base.markdown(header, rows)


if __name__ == "__main__":
    sys.exit(main())
