"""What smaller weights cost: size, speed and accuracy of an exported model by the type that its weights are kept as."""

import statistics
import tempfile
import warnings

from benchmarks import base

FORMS = {
    "SavedModel, float32": {"dtype": "float32"},
    "SavedModel, float16": {"dtype": "float16"},
    "SavedModel, bfloat16": {"dtype": "bfloat16"},
    "LiteRT, float32": {"quantize": False},
    "LiteRT, 8-bit integers": {"quantize": True},
}


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    parser = base.parser("precision", __doc__)
    parser.add_argument("--run", default="babi-joint", help="folder that train wrote, or a name (default: babi-joint)")
    parser.add_argument("--data-dir", help="archive or folder of the run's data")
    parser.add_argument("--questions", type=int, help="only the first test questions of each task")
    parser.add_argument("--repeats", type=int, default=100, help="how often one question is asked")
    options = parser.parse_args(arguments)
    base.report("precision", arguments, options.json, table, {"rows": measure(options)})


def measure(options):
    """Export a run in every form and answer the test questions with it.

    Returns:
        List of dicts: `"form"`, `"bytes"` of all files and `"weight_bytes"` of the weights, `"error"` and
        `"changed"`, the shares of wrong answers and of those that differ from the first form's, in percent, and
        `"ms"`, the median for one question of task 1.
    """
    from dmn_keras import QuestionAnswerer, serving
    from dmn_keras.inference.evaluation import load_test_examples

    qa = QuestionAnswerer.from_preset(options.run)
    loaded = load_test_examples(base.read_source(options.run, options.data_dir), qa.config.trainer.seed)
    examples = [example for of_task in loaded.values() for example in of_task[: options.questions]]
    encoded = qa.preprocessor.encode(examples)
    # The numbers of facts and of words that the longest question needs.
    num_facts = max(len(e.story) for e in encoded)
    num_words = max(len(ids) for e in encoded for ids in (*e.story, e.question))
    rows, first = [], None
    for form, settings in FORMS.items():
        litert = "quantize" in settings
        with tempfile.TemporaryDirectory() as folder:
            if litert:
                shape = {"num_facts": num_facts, "num_words": num_words}
                path, _ = serving.export_litert(qa, folder, **shape, **settings)
                answers = litert_answers(path, qa, examples, num_facts, num_words)()
                path, _ = serving.export_litert(qa, folder, **settings)  # as one exports it by default
                one = litert_answers(path, qa, serving.SAMPLES[:1], 32, 16)
            else:
                path = serving.export(qa, folder, warmup=False, **settings)
                answers = saved_model_answers(path, examples)()
                one = saved_model_answers(path, serving.SAMPLES[:1])
            ms = statistics.median(base.milliseconds(one, options.repeats))
            files = [file for file in path.rglob("*") if file.is_file()]
            weights = [file for file in files if "variables" in file.parts or file.suffix == ".tflite"]
            sizes = [sum(file.stat().st_size for file in some) for some in (files, weights)]
        first = first or answers
        wrong = [base.is_wrong(answer, example) for answer, example in zip(answers, examples, strict=True)]
        rows.append(
            {
                "form": form,
                "bytes": sizes[0],
                "weight_bytes": sizes[1],
                "error": round(100 * statistics.fmean(wrong), 3),
                "changed": round(100 * statistics.fmean(a != b for a, b in zip(answers, first, strict=True)), 3),
                "ms": round(ms, 3),
            }
        )
    return rows


def saved_model_answers(path, examples):
    """Return a function that answers questions with a SavedModel, fifty at a time, text to text."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    batches = [
        {
            "story": tf.constant(["\n".join(example.story) for example in examples[start : start + 50]]),
            "question": tf.constant([example.question for example in examples[start : start + 50]]),
        }
        for start in range(0, len(examples), 50)
    ]
    return lambda: [text.decode() for batch in batches for text in serve(**batch)["answer"].numpy().tolist()]


def litert_answers(path, qa, examples, num_facts, num_words):
    """Return a function that answers questions with a LiteRT file, one by one, from ids padded to one shape."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path / "model.tflite"), num_threads=1)
    run = interpreter.get_signature_runner()
    sizes = {"facts": num_facts, "words": num_words, "question_words": num_words}
    inputs = [
        {name: spec.pad([getattr(e, name)], sizes) for name, spec in qa.preprocessor.specs.items()}
        for e in qa.preprocessor.encode(examples)
    ]
    return lambda: [qa.vocabulary.answer_text(run(**ids)["words"][0].tolist()) for ids in inputs]


def table(result):
    """Return the table of a measurement, with a row for each form."""
    rows = [
        [
            row["form"],
            *base.decimals((row["bytes"] / 1000, row["weight_bytes"] / 1000), 0),
            *base.decimals((row["error"], row["changed"]), 2),
            f"{row['ms']:.1f}",
        ]
        for row in result["rows"]
    ]
    header = ["form", "all files, kB", "weights, kB", "mean error, %", "answers changed, %", "one question, ms"]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
