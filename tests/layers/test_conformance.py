"""Tests that every public layer must pass, whatever it computes."""

import dataclasses
import functools
import inspect
import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras import layers
from dmn_keras.layers.memory_cell import MemoryCell
from dmn_keras.layers.weighted_layer import WeightedLayer
from tests.layers.helpers import compiled, each_policy, gradients, numpy, randomize, weighted_sum
from tests.layers.registry import CASES

each_layer = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
each_masked_layer = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.masks], ids=[n for n, case in CASES.items() if case.masks]
)
each_argument = pytest.mark.parametrize(
    ("case", "argument"),
    [(case, argument) for case in CASES.values() for argument in case.others],
    ids=[f"{name}-{argument}" for name, case in CASES.items() for argument in case.others],
)
each_weighted_layer = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if issubclass(case.layer, WeightedLayer)],
    ids=[name for name, case in CASES.items() if issubclass(case.layer, WeightedLayer)],
)


COSTS = ("recompute", "chunk")
"""Arguments that change what a layer costs and nothing else."""
OWN_TESTS = {"MemoryRNN"}
"""Layers that take another layer, with tests of their own."""
WRONG = {int: -1, str: "nonsense", tuple: "nonsense"}
"""A value out of range for an argument of a type."""


@pytest.fixture(autouse=True)
def steps_one_by_one_on_jax(request):
    """JAX compiles a loop anew for each call, which for these cells takes seconds; `test_memory_cells` lets it."""
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if keras.backend.backend() != "jax" or case is None or not issubclass(case.layer, MemoryCell):
        yield
        return
    import jax

    with jax.disable_jit("compiled" not in request.node.name):
        yield


def built(case, **changes):
    layer = case.make(**changes)
    shapes = {f"{name}_shape": x.shape for name, x in case.inputs.items() if f"{name}_shape" in parameters(layer.build)}
    if shapes:  # a layer without weights has none of these
        layer.build(**shapes)
    return randomize(layer)


def parameters(function):
    return inspect.signature(function).parameters


def assert_same(left, right, atol=0.0):
    keras.tree.assert_same_structure(left, right)
    for a, b in zip(keras.tree.flatten(left), keras.tree.flatten(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.one_backend
def test_no_public_layer_escapes():
    public = {name for name in layers.__all__ if inspect.isclass(getattr(layers, name))}
    assert public - OWN_TESTS == set(CASES)


@pytest.mark.one_backend
@each_layer
def test_every_argument_is_listed(case):
    arguments = [name for name in parameters(case.layer.__init__) if name not in ("self", "kwargs")]
    assert [*case.others, *(name for name in arguments if name in COSTS)] == arguments


def shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


@functools.cache
def shapes_and_results(name):
    """Those of a layer with the arguments of its case."""
    layer = built(CASES[name])
    return shapes(layer), CASES[name].everything(layer)


@pytest.mark.one_backend
@each_argument
def test_argument_changes_weights_or_result(case, argument):
    changed = dataclasses.replace(case, inputs=case.resized.get(argument, case.inputs))
    before, results = shapes_and_results(case.layer.__name__)
    layer = built(changed, **{argument: case.others[argument]})
    if before == shapes(layer):
        pairs = zip(results, changed.everything(layer), strict=True)
        assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in pairs)


@each_layer
def test_recomputing_changes_neither_result_nor_gradient(case):
    if "recompute" not in parameters(case.layer.__init__):
        pytest.skip("no loop to recompute")
    found = []
    for recompute in (False, True):
        layer = built(case, recompute=recompute)
        assert layer.get_config()["recompute"] is recompute
        loss = functools.partial(lambda layer: weighted_sum(case.call(layer, training=True)), layer)
        found.append([*numpy(keras.tree.flatten(case.call(layer))), *gradients(loss, (), layer.trainable_variables)])
    for kept, again in zip(*found, strict=True):
        np.testing.assert_allclose(kept, again, atol=1e-6)


@pytest.mark.one_backend
@each_argument
def test_config_round_trip(case, argument):
    layer = case.make(**{argument: case.others[argument]})
    config = layer.get_config()
    json.dumps(config)
    again = type(layer).from_config(dict(config))
    assert again.get_config() == config
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(loaded) is type(layer)
    assert loaded.get_config() == config


@pytest.mark.one_backend
@each_weighted_layer
def test_kinds_of_weights_have_their_initializers_and_regularizers(case):
    """Each kind alone: what its initializer makes constant, and how many weights its regularizer penalizes."""
    names = []
    for kind in case.layer.weight_kinds:
        options = {f"{kind}_initializer": keras.initializers.Constant(0.25), f"{kind}_regularizer": "l1"}
        layer = case.make(**options)
        case.call(layer)
        constant = [weight.path.partition("/")[2] for weight in layer.weights if np.all(numpy(weight) == 0.25)]
        assert len(constant) == len(layer.losses) > 0
        assert not set(names) & set(constant)
        names += constant
        config = layer.get_config()
        json.dumps(config)
        assert type(layer).from_config(config).get_config() == config
    others = {weight.path.partition("/")[2] for weight in layer.weights} - set(names)
    assert all(re.match("norm/|.*embeddings|.*initial_", name) for name in others), others
    for kind in {"kernel", "recurrent", "bias"} - set(case.layer.weight_kinds):
        with pytest.raises(ValueError, match=f"{kind}_regularizer"):
            case.make(**{f"{kind}_regularizer": "l1"})


@pytest.mark.one_backend
@each_weighted_layer
def test_weights_of_equal_shapes_start_different(case):
    layer = case.make(kernel_initializer=keras.initializers.RandomNormal())
    case.call(layer)
    kernels = [numpy(w).ravel() for w in layer.weights if np.std(numpy(w)) > 0]
    assert len({row.tobytes() for row in kernels}) == len(kernels)


@pytest.mark.one_backend
@each_layer
def test_rebuilt_from_config_computes_the_same(case):
    layer = built(case)
    again = type(layer).from_config(layer.get_config())
    case.call(again)
    again.set_weights(layer.get_weights())
    assert_same(numpy(case.call(layer)), numpy(case.call(again)))


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("case", "argument"),
    [(case, name) for case in CASES.values() for name, value in case.others.items() if type(value) in WRONG],
    ids=lambda x: x if isinstance(x, str) else x.layer.__name__,
)
def test_a_value_out_of_range_is_refused_by_name(case, argument):
    wrong = WRONG[type(case.others[argument])]
    with pytest.raises(ValueError, match=rf"^{argument} must be .* Received: .*{wrong}"):
        case.make(**{argument: [wrong] if isinstance(case.others[argument], tuple) else wrong})


@each_layer
def test_a_row_does_not_depend_on_its_batch(case):
    layer = built(case)
    whole = numpy(case.call(layer))
    for row in range(3):
        alone = numpy(case.call(layer, [row]))
        assert_same(alone, keras.tree.map_structure(lambda x, row=row: x[[row]], whole), atol=2e-6)
    assert_same(numpy(case.call(layer, [2, 0, 1])), keras.tree.map_structure(lambda x: x[[2, 0, 1]], whole), 2e-6)


@each_layer
def test_a_batch_without_rows_has_results_without_rows(case):
    layer = built(case)
    shapes = keras.tree.map_structure(lambda x: (0, *x.shape[1:]), numpy(case.call(layer)))
    for options in ({}, {"training": True}) if "training" in parameters(case.layer.call) else ({},):
        for masks in (case.masks, {}) if case.masks else ({},):
            nothing = numpy(dataclasses.replace(case, masks=masks).call(layer, slice(0, 0), **options))
            assert keras.tree.map_structure(lambda x: x.shape, nothing) == shapes


@pytest.mark.slow
@each_layer
def test_a_compiled_batch_without_rows_has_results_without_rows(case):
    nothing = {name: x[:0] for name, x in case.inputs.items()}, {name: x[:0] for name, x in case.masks.items()}
    outputs, _ = compiled(built(case), *nothing)
    assert all(len(x) == 0 for x in keras.tree.flatten(outputs))


@pytest.mark.slow
@pytest.mark.one_backend
@each_argument
def test_numpy_scalars_are_numbers(case, argument):
    value = case.others[argument]
    if not isinstance(value, (bool, int, float)):
        pytest.skip("no number")
    changed = dataclasses.replace(case, inputs=case.resized.get(argument, case.inputs))
    expected, layer = (case.make(**{argument: number}) for number in (value, np.array(value)[()]))
    assert layer.get_config() | {"name": ""} == expected.get_config() | {"name": ""}
    json.dumps(layer.get_config())
    changed.call(layer)


@each_masked_layer
def test_values_under_the_mask_change_nothing(case):
    layer = built(case)
    rng = np.random.default_rng(5)
    inputs = dict(case.inputs)
    for name, mask in case.padded.items():
        noise = 9 * rng.standard_normal(inputs[name].shape).astype("float32")
        inputs[name] = np.where(case.masks[mask][..., None], inputs[name], noise)
        assert not np.array_equal(inputs[name], case.inputs[name])
    assert_same(numpy(case.call(layer)), numpy(case.call(layer, inputs=inputs)))
    assert_same(all_gradients(case, layer, inputs), all_gradients(case, layer, case.inputs), atol=2e-6)


def all_gradients(case, layer, inputs, masks=None):
    """By the inputs, whose padding must get none, and by the weights."""

    def function(*values):
        values = {name: ops.convert_to_tensor(x) for name, x in zip(inputs, values, strict=True)}
        return weighted_sum(layer(**values, **{n: ops.convert_to_tensor(m) for n, m in masks.items()}))

    masks = masks or case.masks
    found = gradients(function, inputs.values(), layer.trainable_variables)
    for name, gradient in zip(inputs, found, strict=False):
        if name in case.padded:
            assert np.all(gradient[~masks[case.padded[name]]] == 0)
    return found


@each_masked_layer
def test_no_mask_means_all_real(case):
    layer = built(case)
    real = {name: np.ones_like(mask) for name, mask in case.masks.items()}
    without = layer(**{name: ops.convert_to_tensor(x) for name, x in case.inputs.items()})
    assert_same(numpy(without), numpy(case.call(layer, masks=real)), atol=1e-6)
    assert not all(
        np.array_equal(a, b)
        for a, b in zip(*(keras.tree.flatten(numpy(x)) for x in (without, case.call(layer))), strict=True)
    )


@each_masked_layer
def test_all_padding_is_finite(case):
    layer = built(case)
    nothing = {name: np.zeros_like(mask) for name, mask in case.masks.items()}
    outputs = case.call(layer, masks=nothing)
    assert all(np.isfinite(x).all() for x in keras.tree.flatten(numpy(outputs)))
    assert all(np.isfinite(x).all() for x in all_gradients(case, layer, case.inputs, nothing))


@each_layer
def test_declared_shapes_and_compiled_result(case):
    layer = built(case)
    eager = numpy(case.call(layer))
    outputs, declared = compiled(layer, case.inputs, case.masks)
    assert_same(outputs, eager, atol=2e-6)
    for shape, x in zip(declared, keras.tree.flatten(eager), strict=True):
        assert len(shape) == x.ndim
        assert all(size in (None, real) for size, real in zip(shape, x.shape, strict=True))
        assert shape[0] is None


@pytest.mark.slow
@each_layer
@each_policy
def test_mixed_precision_is_close(case, policy):
    full, mixed = built(case), built(case, dtype=policy)
    tolerance = 0.02 if policy == "mixed_float16" else 0.12
    outputs = case.call(mixed)
    for name, x in outputs.items() if isinstance(outputs, dict) else [("", keras.tree.flatten(outputs)[0])]:
        full_precision = name.startswith(("gate", "stop")) or case.layer in (layers.AttentionGate, layers.AnswerDecoder)
        expected = "float32" if full_precision else policy[6:]
        dtype = keras.backend.standardize_dtype(x.dtype)
        assert dtype == expected or dtype in ("int32", "bool")
    assert_same(numpy(outputs), numpy(case.call(full)), atol=tolerance)
    assert all(v.dtype == "float32" for v in mixed.trainable_variables)


@each_layer
def test_gradient_reaches_every_weight(case):
    layer = built(case)
    options = {"training": True} if "answer" in case.inputs else {}
    found = gradients(lambda: weighted_sum(case.call(layer, **options)), variables=layer.trainable_variables)
    assert len(found) == len([weight for weight in layer.weights if weight.dtype != "bool"])
    for variable, gradient in zip(layer.trainable_variables, found, strict=True):
        assert np.abs(gradient).max() > 1e-5, variable.path


@pytest.mark.slow
@each_layer
@pytest.mark.usefixtures("float64")
def test_gradients_are_those_of_differences(case):
    """Central differences in float64 along one random direction per input and weight."""
    layer = built(case, dtype="float64")
    options = {"training": True} if "answer" in case.inputs else {}
    names = [name for name, x in case.inputs.items() if x.dtype.kind == "f"]
    inputs = case.inputs | {name: case.inputs[name].astype("float64") for name in names}

    def function(*values):
        tensors = dict(zip(names, (ops.convert_to_tensor(v, dtype="float64") for v in values), strict=True))
        rest = {n: ops.convert_to_tensor(x) for n, x in (case.inputs | case.masks).items() if n not in tensors}
        return weighted_sum(layer(**tensors, **rest, **options))

    arrays = [inputs[name] for name in names]
    found = gradients(function, arrays, layer.trainable_variables)
    rng, delta = np.random.default_rng(11), 1e-4
    for i, gradient in enumerate(found):
        direction = rng.standard_normal(gradient.shape)
        up, down = (moved(function, arrays, layer.trainable_variables, i, s * delta * direction) for s in (1, -1))
        np.testing.assert_allclose(np.sum(gradient * direction), (up - down) / (2 * delta), rtol=1e-5, atol=1e-7)


def moved(function, arrays, variables, index, step):
    """The function's value with one of the arrays, or one of the variables after them, moved by a step."""
    if index < len(arrays):
        return float(numpy(function(*(a + step if i == index else a for i, a in enumerate(arrays)))))
    variable = variables[index - len(arrays)]
    before = numpy(variable)
    variable.assign(before + step)
    value = float(numpy(function(*arrays)))
    variable.assign(before)
    return value
