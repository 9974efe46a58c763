"""Facts of the same kind: a run trained on short generated stories is asked about long ones.

Every fact is of a kind that matters, so that no retriever can drop any, and all are read. Lengths rise, so that the
peak of memory is that of the longest story so far.
"""

import time

from benchmarks import base

LENGTHS = (20, 50, 100, 500, 1_000, 10_000)
QUESTIONS = {1_000: 300, 10_000: 100}
MOST_QUESTIONS = 1000


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    from dmn_keras import QuestionAnswerer

    parser = base.parser("same_kind", __doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folders that `dmn-keras train --dataset stories` wrote")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="facts of a story")
    options = parser.parse_args(arguments)
    result = {**base.record("same_kind", arguments), "runs": []}
    for folder in options.runs:
        qa, source = QuestionAnswerer.from_preset(folder), base.read_source(folder)
        rows = [measure(qa, source.tasks, length) for length in options.lengths]
        about = {
            "model": name(qa.config.model),
            "trained_on": source.config,
            "parameters": qa.network.count_params(),
            "seed": qa.config.trainer.seed,
        }
        result["runs"].append({**about, "rows": rows})
        base.write(options.json, result)
    print(table(result))


def name(config):
    """Return how the tables name a model."""
    preset = "`chained`" if config.input.link_mode == "chain" else "`linked`"
    has_chain = config.max_retrieved_facts is not None and config.retriever == "chain"
    return f"{preset}, chain retriever" if has_chain else preset


def measure(qa, tasks, length):
    """Return errors in percent by task, seconds a question and peak megabytes, of stories of so many facts."""
    from dmn_keras import datasets
    from dmn_keras.inference.evaluation import evaluate_tasks

    count = QUESTIONS.get(length, MOST_QUESTIONS)
    stories = {
        task: datasets.load("stories", task=task, split="test", config=f"num_facts={length}", num_examples=count)
        for task in tasks
    }
    start = time.perf_counter()
    # About as many facts a batch, however long the stories are.
    found, _ = evaluate_tasks(qa, stories, batch_size=max(5000 // length, 1))
    seconds = (time.perf_counter() - start) / (count * len(stories))
    return {
        "facts": length,
        "questions": count,
        "errors": {task: row["error"] for task, row in found.items()},
        "seconds_a_question": round(seconds, 4),
        "peak_megabytes": round(base.memory_mib("VmHWM") * 1.048576),
    }


def table(*results):
    """Return the table of measurements, with a row for each run and length."""
    runs = [run for result in results for run in result["runs"]]
    tasks = list(dict.fromkeys(task for run in runs for task in run["rows"][0]["errors"]))
    header = ["run", "seed", "facts", *(task.replace("-", " ") for task in tasks), "ms a question", "peak, MB"]
    rows = [
        [
            run["model"],
            run["seed"],
            f"{row['facts']:,}",
            *base.decimals(row["errors"].get(task) for task in tasks),
            f"{1000 * row['seconds_a_question']:.1f}",
            f"{row['peak_megabytes']:,}",
        ]
        for run in runs
        for row in run["rows"]
    ]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
