"""What smaller weights cost: size, speed and accuracy of an exported model by the type that its weights are kept as.

python -m benchmarks.precision --data-dir DIR [--run RUN] [--questions N] [--json FILE]
python -m benchmarks.precision --table FILE
"""

import argparse
import functools
import json
import pathlib
import statistics
import tempfile
import warnings

import numpy as np

from benchmarks import report

FORMS = {
    "SavedModel, float32": ("export", {"dtype": "float32"}),
    "SavedModel, float16": ("export", {"dtype": "float16"}),
    "SavedModel, bfloat16": ("export", {"dtype": "bfloat16"}),
    "LiteRT, float32": ("export_litert", {"quantize": False}),
    "LiteRT, 8-bit integers": ("export_litert", {"quantize": True}),
}
REPEATS = 100


def main(arguments=None):
    """Measure and print, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="folder that train wrote; the shipped model by default")
    parser.add_argument("--data-dir", help="archive or folder of the run's data")
    parser.add_argument("--questions", type=int, help="only the first test questions of each task")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    content = {
        "command": report.command("precision", arguments),
        "machine": report.machine(),
        "rows": measure(options.run, options.data_dir, options.questions),
    }
    print(table(content))
    if options.json:
        report.write(options.json, content)


def measure(run, data_dir, limit=None):
    """Export a run in every form and answer the test questions with it.

    Returns:
        List of dicts: `"form"`, `"bytes"` of all files and `"weight_bytes"` of the weights, where they are apart,
        `"error"`, the mean of the tasks' test errors in percent, `"changed"`, the share of answers that are not those
        of the first form in percent, and `"ms"`, the median for one question of task 1.
    """
    from dmn_keras import serving
    from dmn_keras.asking import Answerer
    from dmn_keras.training.data import Source

    answerer = Answerer(run)
    recipe = answerer.recipe
    source = Source(recipe.dataset, recipe.tasks, data_dir, recipe.dataset_config)
    tasks = {task: examples[:limit] for task, examples in source.load("test", seed=recipe.config.seed).items()}
    examples = [example for task in tasks.values() for example in task]
    shape = _shape(answerer, examples)
    rows, first = [], None
    for form, (function, settings) in FORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            if function == "export":
                path = serving.export(answerer, folder, warmup=False, **settings)
                open_ = _saved_model
                questions = [("\n".join(e.story), e.question) for e in examples]
            else:
                path, _ = serving.export_litert(answerer, folder, num_facts=shape[0], num_words=shape[1], **settings)
                open_ = _litert
                questions = _padded(answerer, examples, shape)
            answers = open_(path, answerer)(questions)
            if function == "export_litert":  # as one exports it by default
                path, _ = serving.export_litert(answerer, folder, **settings)
                one = _padded(answerer, serving.SAMPLES[:1], (32, 16))
            else:
                one = [("\n".join(serving.SAMPLES[0].story), serving.SAMPLES[0].question)]
            times = report.milliseconds(functools.partial(open_(path, answerer), one), REPEATS)
            files = [file for file in path.rglob("*") if file.is_file()]
            weights = [file for file in files if "variables" in file.parts or file.suffix == ".tflite"]
            sizes = [sum(file.stat().st_size for file in some) for some in (files, weights)]
        first = answers if first is None else first
        rows.append(
            {
                "form": form,
                "bytes": sizes[0],
                "weight_bytes": sizes[1],
                "error": round(_error(answers, tasks), 3),
                "changed": round(100 * float(np.mean(np.array(answers) != np.array(first))), 3),
                "ms": round(statistics.median(times), 3),
            }
        )
    return rows


def _shape(answerer, examples):
    """Return the numbers of facts and of words that the longest question needs."""
    from dmn_keras.text import tokenize

    num_facts = min(max(len(e.story) for e in examples), answerer.recipe.config.max_facts or 10**9)
    num_words = 1 + max(len(tokenize(text)) for e in examples for text in (*e.story, e.question))
    return num_facts, num_words


def _padded(answerer, examples, shape):
    """Return each question's ids, padded to one shape."""
    from dmn_keras.text import Encoder, pad_ids, pad_sentences

    encoder = Encoder(answerer.vocabulary, max_facts=answerer.recipe.config.max_facts)
    encoded = map(encoder, examples)
    return [(pad_sentences([e.story], *shape), pad_ids([e.question], shape[1])) for e in encoded]


def _saved_model(path, answerer):
    """Return a function from questions to their answers, fifty at a time."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]

    def answer(questions):
        answers = []
        for start in range(0, len(questions), 50):
            story, question = (tf.constant(list(texts)) for texts in zip(*questions[start : start + 50], strict=True))
            answers += serve(story=story, question=question)["answer"].numpy().tolist()
        return [text.decode() for text in answers]

    return answer


def _litert(path, answerer):
    """Return a function from the ids of questions to their answers, one by one."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path / "model.tflite"), num_threads=1)
    run = interpreter.get_signature_runner()

    def answer(questions):
        words = (run(story=story, question=question)["words"][0].tolist() for story, question in questions)
        return [" ".join(answerer.vocabulary.answer(ids)) for ids in words]

    return answer


def _error(answers, tasks):
    """Return the mean of the tasks' errors in percent."""
    from dmn_keras.text import tokenize

    answers, errors = iter(answers), []
    for examples in tasks.values():
        wrong = [
            next(answers) != " ".join(word for part in e.answer for word in tokenize(part, lowercase=True))
            for e in examples
        ]
        errors.append(100 * statistics.fmean(wrong))
    return statistics.fmean(errors)


def table(content):
    """Lay out what `measure` returned, in Markdown."""
    return report.markdown(
        ["form", "all files, kB", "weights, kB", "mean error, %", "answers changed, %", "one question, ms"],
        [
            [
                row["form"],
                *(f"{row[size] / 1000:,.0f}" for size in ("bytes", "weight_bytes")),
                *(f"{row[percent]:.2f}" for percent in ("error", "changed")),
                f"{row['ms']:.1f}",
            ]
            for row in content["rows"]
        ],
    )


if __name__ == "__main__":
    main()
