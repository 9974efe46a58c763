"""Do a trained model's answers depend on what they are batched with? Counts those that change, which must be none.

The test questions of a run are answered in batches of several sizes, in another order, and with more padding. Each
answer is compared with that of batches of 100. Exit status 1 if one differs.
"""

import argparse
import sys

from benchmarks import report

REFERENCE = 100
"""Batch size of the answers that the others are compared with; that of the best-known published figures."""


def main(arguments=None):
    """Measure the runs in a folder, print a table, and write a JSON file if asked to.

    Returns:
        Exit status: 0 if no answer changed, else 1.
    """
    from dmn_keras.training.run_folder import RunFolder

    options = _parser().parse_args(arguments)
    runs = {}
    for run in RunFolder(options.folder).runs():
        encoded = load_questions(run, options.data_dir, options.questions)
        runs[run.path.name] = measure(run, encoded, options.batch_sizes)
    result = {
        **report.about("invariance", arguments),
        "changed": sum(variant["changed"] for run in runs.values() for variant in run["variants"]),
        "runs": runs,
    }
    print(table(result))
    if options.json:
        report.write(options.json, result)
    return 1 if result["changed"] else 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invariance", description=__doc__)
    parser.add_argument("folder", metavar="RUN", help="folder that `dmn-keras train` wrote, or one of such folders")
    parser.add_argument("--data-dir", metavar="DIR", help="where the run's data lies, where it has any")
    parser.add_argument("--questions", type=int, metavar="N", help="only the first test questions of each task")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 7, 100, 1000])
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def load_questions(run, data_dir=None, limit=None):
    """Load and encode the test questions of a run's tasks.

    Args:
        run: `dmn_keras.training.run_folder.RunFolder`.
        data_dir: Where its data lies.
        limit: Most questions a task, `None` for all.

    Returns:
        List of `dmn_keras.text.EncodedExample`.
    """
    from dmn_keras.text import Encoder, Vocabulary
    from dmn_keras.training.data import Source

    recipe = run.recipe()
    source = Source(recipe.dataset, recipe.tasks, data_dir, recipe.dataset_config)
    encode = Encoder(
        Vocabulary(recipe.vocabulary), max_facts=recipe.config.max_facts, fact_level=recipe.config.fact_level
    )
    tasks = source.load("test", seed=recipe.config.seed).values()
    return [encode(example) for examples in tasks for example in examples[:limit]]


def measure(run, encoded, batch_sizes):
    """Answer the questions in every way and compare.

    Args:
        run: `dmn_keras.training.run_folder.RunFolder` with a trained model.
        encoded: Its questions.
        batch_sizes: Batch sizes to answer them in.

    Returns:
        Dict of `"questions"` and `"variants"`: for each way its `"name"`, how many answers `"changed"`, and the
        largest differences of a gate and of an answer's probability.
    """
    from dmn_keras.training.answers import answer_questions

    model, _, recipe = run.load()
    reference = answer_questions(model, recipe, encoded, batch_size=REFERENCE)
    reversed_order = answer_questions(model, recipe, encoded[::-1], batch_size=REFERENCE)[::-1]
    ways = {f"batches of {size}": answer_questions(model, recipe, encoded, batch_size=size) for size in batch_sizes}
    ways["in reversed order"] = reversed_order
    variants = [compare(name, reference, answers) for name, answers in ways.items()]
    variants.append(compare("more padding", reference, answer_padded(model, recipe, encoded)))
    return {"questions": len(encoded), "variants": variants}


def answer_padded(model, recipe, encoded, *, more_facts=5, more_words=3):
    """Answer questions as `answer_questions` does, with more padding.

    Args:
        model: The model of `recipe`.
        recipe: The `Recipe`.
        encoded: The questions.
        more_facts: Empty facts added to each story; not where every word is a fact.
        more_words: Empty words added to each fact and question.

    Returns:
        List of `dmn_keras.training.answers.RawAnswer`.
    """
    import numpy as np

    from dmn_keras.models import answering_model
    from dmn_keras.training.answers import RawAnswer
    from dmn_keras.training.batches import StoryBatches

    batches = StoryBatches(
        encoded,
        batch_size=REFERENCE,
        num_passes=recipe.config.num_passes,
        answer_words=recipe.answer_words,
        fact_level=recipe.config.fact_level,
    )
    answerer = answering_model(model)
    answers = [None] * len(encoded)
    for batch in batches.plan():
        inputs, _, _ = batches.batch(*batch._replace(num_facts=batch.num_facts + more_facts))
        story, question = (
            np.pad(inputs[name], [(0, 0)] * (inputs[name].ndim - 1) + [(0, more_words)])
            for name in ("story", "question")
        )
        outputs = answerer.predict_on_batch({"story": story, "question": question})
        for row, member in enumerate(batch.members):
            answers[member] = RawAnswer(
                ids=tuple(outputs["words"][row].tolist()),
                probability=float(np.exp(outputs["log_probability"][row])),
                gates=outputs["gates"][row],
            )
    return answers


def compare(name, reference, answers):
    """Count the answers that differ from the reference, and find the largest differences of their numbers.

    Gates are compared over the facts and passes that the reference has.
    """
    import numpy as np

    pairs = list(zip(reference, answers, strict=True))
    gates = [np.abs(a.gates - b.gates[: len(a.gates), : a.gates.shape[1]]).max(initial=0.0) for a, b in pairs]
    return {
        "name": name,
        "changed": sum(a.ids != b.ids for a, b in pairs),
        "gate_difference": float(max(gates)),
        "probability_difference": max(abs(a.probability - b.probability) for a, b in pairs),
    }


def table(result):
    """Lay a measurement out as a Markdown table, a line a run and way of answering."""
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
    return report.markdown(header, rows)


if __name__ == "__main__":
    sys.exit(main())
