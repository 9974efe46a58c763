"""Size and speed of the models that the documentation describes: parameters, and answers a second on one core.

Models for stories are measured untrained, on generated stories; pretrained models on test examples of their data.
"""

import pathlib
import time

from benchmarks import base

MODELS = (
    *("dmn_2015", "dmn_2", "dmn_3", "dmn_plus", "fused", "matched", "linked", "chained", "normed", "mentions"),
    "memn2n",
)
"""Presets of question answering, and the family `memn2n`."""

PRETRAINED = {
    "sst-binary": "sst",
    "sst-fine": "sst",
    "ud-english-ewt": "ud_english_ewt",
    "easy-vqa": "easy_vqa",
    "sort-of-clevr": None,
    "ntm-copy": None,
    "dnc-traversal": None,
    "stack-rnn-anbncn": None,
}
"""Folder with the data of each pretrained model below `--data-dir`; `None` where it is generated."""


def main(arguments=None):
    """Measure, print the table, and write JSON."""
    parser = base.parser("models", __doc__)
    parser.add_argument("--questions", type=int, default=1000, metavar="N", help="examples answered in a round")
    names = [*MODELS, *PRETRAINED]
    parser.add_argument("--models", nargs="+", default=MODELS, choices=names, metavar="NAME")
    folders = sorted(set(filter(None, PRETRAINED.values())))
    parser.add_argument("--data-dir", metavar="DIR", help=f"folder with the folders {', '.join(folders)}")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.models:
        if name in MODELS:
            rows.append({"model": name, **measure(name, options.questions)})
        else:
            rows.append({"model": name, **_size_and_speed(*pretrained(name, options.questions, options.data_dir))})
    base.report("models", arguments, options.json, table, {"questions": options.questions, "rows": rows})


def measure(name, num_questions):
    """Return the size of an untrained model and how many questions it answers a second.

    Args:
        name: Name of the model, one of `MODELS`.
        num_questions: How many generated questions with two supporting facts it answers in a round.
    """
    from dmn_keras import QuestionAnswerer, RunConfig
    from dmn_keras.datasets import stories

    config = RunConfig.preset("normed", family="memn2n") if name == "memn2n" else RunConfig.preset(name)
    qa = QuestionAnswerer(config)
    questions = stories.generate("two-supporting-facts", split="test", num_examples=num_questions)
    qa.adapt(questions)
    return _size_and_speed(qa, questions)


def pretrained(name, num_examples, data_dir=None):
    """Return a pretrained model and test examples of its data, the first ones.

    Args:
        name: Name of the model, one of `PRETRAINED`.
        num_examples: How many examples.
        data_dir: Folder with the folders of the data.
    """
    from dmn_keras import datasets
    from dmn_keras.tasks.preset import PresetFolder

    folder = PRETRAINED[name] and str(pathlib.Path(data_dir or ".", PRETRAINED[name]))
    source = base.read_source(name)
    where = {"config": source.config, "data_dir": folder, "num_examples": num_examples}
    examples = datasets.load(source.dataset, task="all", split="test", **where)
    return PresetFolder.find(name).load(), examples


def _size_and_speed(task, examples):
    """Return the parameters, and the examples answered in a second of CPU time, the median of 3 rounds."""
    task.predict(examples, batch_size=100)  # compiles
    seconds = []
    for _ in range(3):
        start = time.process_time()
        task.predict(examples, batch_size=100)
        seconds.append(time.process_time() - start)
    return {
        "parameters": task.network.count_params(),
        "answers_a_second": round(len(examples) / sorted(seconds)[1]),
    }


def table(*results):
    """Return the table of several measurements, with a row for each model."""
    rows = [
        [f"`{row['model']}`", f"{row['parameters']:,}", f"{row['answers_a_second']:,}"]
        for result in results
        for row in result["rows"]
    ]
    return base.markdown(["model", "parameters", "answers a second"], rows)


if __name__ == "__main__":
    main()
