"""Where the time of a training step of DMN+ goes, and what an answer costs, on one thread.

Models that lack a part take turns with the whole one; the part is what the whole one takes longer, by the least CPU
time of either. Every measurement is of a compiled function on a batch that is there; what Keras' `fit` adds to it is
measured by `benchmarks.devices`.
"""

import argparse
import json
import pathlib
import time

from benchmarks import report, training_step

WITHOUT = {
    "whole": {},
    "without fusion": {"input_fusion": False},
    "without episodes": {"episode": "soft"},
    "one pass, without episodes": {"episode": "soft", "num_passes": 1},
}
BATCHES = (1, 100, 1000)


def main(arguments=None):
    """Measure, print the tables, and write a JSON file if asked to; or print the tables of JSON files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--jit", action="store_true", help="let XLA compile on TensorFlow (JAX always does)")
    parser.add_argument("--facts", type=int, default=40, help="facts a story")
    parser.add_argument("--units", type=int, nargs="+", default=[80, 256], help="sizes of the model")
    parser.add_argument("--repeats", type=int, default=20, help="steps that count")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the tables of these files")
    options = parser.parse_args(arguments)
    if options.table:
        print(tables([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return
    training_step.use_one_thread(options.backend)
    from dmn_keras.training.memory import keep_freed_memory

    keep_freed_memory()
    result = {
        **report.about("parts", arguments),
        "xla": options.jit or options.backend == "jax",
        "facts": options.facts,
        "parts": [parts(options, units) for units in options.units],
        "answers": [answers(options, units) for units in options.units],
    }
    print(tables([result]))
    if options.json:
        report.write(options.json, result)


def settings(units, batch, facts):
    """Return the settings of `training_step`, with the number of facts."""
    sizes = {"batch": batch, "words": 8, "question_words": 4, "units": units, "passes": 3, "vocabulary": 40}
    return {"form": "dmn_plus", **sizes, "facts": facts}


def parts(options, units):
    """Return the milliseconds of CPU time of the parts of a step with a batch of 100."""
    from benchmarks.floor import Floor, products

    sizes = settings(units, 100, options.facts)
    functions = {name: _gradient(sizes, without, options.jit) for name, without in WITHOUT.items()}
    functions["step"] = _gradient(sizes, {}, options.jit, optimizer=True)
    functions["products"] = Floor(products(**sizes), options.backend)
    ms = _in_turns(functions, options.repeats)
    fusion, episodes = ms["whole"] - ms["without fusion"], ms["whole"] - ms["without episodes"]
    gates = (ms["without episodes"] - ms["one pass, without episodes"]) * 3 / 2
    return {
        "units": units,
        "step": round(ms["step"], 2),
        "encoder, question and answer": round(ms["whole"] - fusion - episodes - gates, 2),
        "fusion": round(fusion, 2),
        "gates and updates": round(gates, 2),
        "episodes": round(episodes, 2),
        "optimizer": round(ms["step"] - ms["whole"], 2),
        "matrix products alone": round(ms["products"], 2),
    }


def answers(options, units):
    """Return the milliseconds of CPU time of a batch of answers, for each size of batch."""
    functions = {size: _forward(settings(units, size, options.facts), options.jit) for size in BATCHES}
    return {"units": units, **{str(size): round(ms, 3) for size, ms in _in_turns(functions, options.repeats).items()}}


def _in_turns(functions, repeats):
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.process_time()
            function()
            times[name].append(1000 * (time.process_time() - start))
    return {name: min(of_one) for name, of_one in times.items()}


def _gradient(sizes, without, jit, optimizer=False):
    """Return a function that computes the gradient at all weights once, or makes a whole step with Adam."""
    import keras

    from dmn_keras.losses import AnswerCrossentropy

    model, inputs, answer = _model_and_batch(sizes, without)
    loss = AnswerCrossentropy()
    adam = keras.optimizers.Adam(1e-3)
    adam.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=jit)
        def compute(inputs, answer):
            with tf.GradientTape() as tape:
                value = loss(answer, model(inputs, training=True)["answer"])
            gradients = tape.gradient(value, [variable.value for variable in model.trainable_variables])
            if optimizer:
                adam.apply(gradients)
            return [tf.convert_to_tensor(gradient) for gradient in gradients]

        return lambda: [gradient.numpy() for gradient in compute(inputs, answer)]
    import jax

    trained, rest, state = ([v.value for v in vs] for vs in _variables(model, adam))

    @jax.jit
    def compute(trained, state, inputs, answer):
        def value(trained):
            outputs, _ = model.stateless_call(trained, rest, inputs, training=True)
            return loss(answer, outputs["answer"])

        gradients = jax.grad(value)(trained)
        return adam.stateless_apply(state, gradients, trained) if optimizer else gradients

    return lambda: jax.block_until_ready(compute(trained, state, inputs, answer))


def _variables(model, optimizer):
    return model.trainable_variables, model.non_trainable_variables, optimizer.variables


def _forward(sizes, jit):
    """Return a function that answers one batch of questions."""
    import keras

    model, inputs, _ = _model_and_batch(sizes, {})
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        answer = tf.function(lambda inputs: model(inputs, training=False)["answer"], jit_compile=jit)
        return lambda: answer(inputs).numpy()
    import jax

    trained, rest, _ = ([variable.value for variable in some] for some in _variables(model, keras.optimizers.SGD()))
    answer = jax.jit(lambda inputs: model.stateless_call(trained, rest, inputs, training=False)[0]["answer"])
    return lambda: jax.block_until_ready(answer(inputs))


def _model_and_batch(sizes, without):
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    model, rng = training_step.build(sizes, **without), np.random.default_rng(0)

    def ids(*shape):
        return keras.ops.convert_to_tensor(rng.integers(1, sizes["vocabulary"], (sizes["batch"], *shape), "int32"))

    return model, {"story": ids(sizes["facts"], sizes["words"]), "question": ids(sizes["question_words"])}, ids()


def tables(results):
    """Lay measurements out as two Markdown tables: the parts of a step, and answers by size of batch."""
    names = [name for name in results[0]["parts"][0] if name != "units"]
    steps = [
        [_backend(result), row["units"], *(f"{row[name]:.1f}" for name in names)]
        for result in results
        for row in result["parts"]
    ]
    answered = [
        [_backend(result), row["units"], *(f"{row[str(size)]:.2f}" for size in BATCHES)]
        for result in results
        for row in result["answers"]
    ]
    batches = [f"{size} at once, ms" for size in BATCHES]
    return "\n\n".join(
        [
            report.markdown(["backend", "units", *names], steps),
            report.markdown(["backend", "units", *batches], answered),
        ]
    )


def _backend(result):
    return result["versions"]["backend"] + (", XLA" if result["xla"] else "")


if __name__ == "__main__":
    main()
