"""Size and speed of the models that the documentation describes: parameters, and answers a second on one core."""

import time

from benchmarks import base

MODELS = {
    "dmn_2015": {"preset": "dmn_2015"},
    "dmn_2": {"preset": "dmn_2"},
    "dmn_3": {"preset": "dmn_3"},
    "dmn_plus": {"preset": "dmn_plus"},
    "fused": {"preset": "fused"},
    "matched": {"preset": "matched"},
    "linked": {"preset": "linked"},
    "chained": {"preset": "chained"},
    "normed": {"preset": "normed"},
    "memn2n": {"model.family": "memn2n"},
}
"""Settings of each model by its name in the documentation."""


def main(arguments=None):
    """Measure, print the table, and write JSON."""
    parser = base.parser("models", __doc__)
    parser.add_argument("--questions", type=int, default=1000, metavar="N", help="questions answered in a round")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS, metavar="NAME")
    options = parser.parse_args(arguments)
    rows = [{"model": name, **measure(MODELS[name], options.questions)} for name in options.models]
    result = {**base.record("models", arguments), "questions": options.questions, "rows": rows}
    print(table(result))
    base.write(options.json, result)


def measure(settings, num_questions):
    """Return the size of an untrained model and how many questions it answers a second, the median of 3 rounds.

    Args:
        settings: Settings of `RunConfig`, `preset` among them.
        num_questions: How many generated questions with two supporting facts it answers in a round.
    """
    from dmn_keras import QuestionAnswerer, RunConfig
    from dmn_keras.datasets import stories

    changes = {name: value for name, value in settings.items() if name != "preset"}
    qa = QuestionAnswerer(RunConfig.preset(settings.get("preset", "normed")).replace(changes))
    questions = stories.generate("two-supporting-facts", split="test", num_examples=num_questions)
    qa.adapt(questions)
    qa.predict(questions, batch_size=100)  # compiles
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        qa.predict(questions, batch_size=100)
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": qa.network.count_params(),
        "answers_a_second": round(num_questions / sorted(seconds)[1]),
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
