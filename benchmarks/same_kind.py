"""Facts of the same kind: a run trained on short generated stories is asked about long ones.

All facts are of the kinds that matter, so that nothing can be told by its words alone, and all are read: there is no
first pass that drops some. Lengths rise, so that the peak of memory is that of the longest story so far.
"""

import argparse
import resource
import sys
import time

from benchmarks import report

LENGTHS = (20, 50, 100, 500, 1_000, 10_000)
QUESTIONS = {1_000: 300, 10_000: 100}
MOST_QUESTIONS = 1000


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 0.
    """
    from dmn_keras.training.run_folder import RunFolder

    options = _parser().parse_args(arguments)
    result = {
        **report.about("same_kind", arguments),
        "runs": {},
    }
    for folder in options.runs:
        run = RunFolder(folder)
        model, vocabulary, recipe = run.load()
        rows = [measure(model, vocabulary, recipe, length) for length in options.lengths]
        name = "`chained`" if recipe.config.link_chains else "`linked`"
        about = {"trained_on": recipe.dataset_config, "parameters": model.count_params(), "seed": recipe.config.seed}
        result["runs"][name] = {**about, "rows": rows}
        if options.json:
            report.write(options.json, result)
    print(table(result))
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_kind", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders that `dmn-keras train --dataset stories` wrote")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="facts of a story")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def measure(model, vocabulary, recipe, length):
    """Return errors in percent by task, seconds a question and peak megabytes, of stories of so many facts."""
    from dmn_keras import datasets
    from dmn_keras.training.evaluation import evaluate_tasks

    count = QUESTIONS.get(length, MOST_QUESTIONS)
    stories = {
        task: datasets.load("stories", task=task, split="test", config=f"num_facts={length}", num_examples=count)
        for task in recipe.tasks
    }
    begun = time.perf_counter()
    # About as many facts a batch, however long the stories are.
    found = evaluate_tasks(model, vocabulary, recipe, stories, batch_size=max(5000 // length, 1))
    seconds = (time.perf_counter() - begun) / (count * len(stories))
    row = {
        "facts": length,
        "questions": count,
        "errors": {task: of_task["error"] for task, of_task in found.items()},
        "seconds_a_question": round(seconds, 4),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    print(row, flush=True)
    return row


def table(result):
    """Return the measurement as Markdown: a row a run and length."""
    tasks = list(dict.fromkeys(task for run in result["runs"].values() for task in run["rows"][0]["errors"]))
    header = ["run", "facts", *(task.replace("-", " ") for task in tasks), "ms a question", "peak, MB"]
    rows = [
        [
            name,
            f"{row['facts']:,}",
            *(f"{row['errors'][task]:.1f}" for task in tasks),
            f"{1000 * row['seconds_a_question']:.1f}",
            f"{row['peak_megabytes']:,}",
        ]
        for name, run in result["runs"].items()
        for row in run["rows"]
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    sys.exit(main())
