"""Each private name of Keras that we use still means what we take it for: where one moves, its canary says which."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import keras_internals, layers


@pytest.fixture
def model():
    """Two layers in a row, a nested model, and an operation that is no layer."""
    inputs = keras.Input((5,), name="inputs")
    nested = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, name="inner")], name="nested")
    x = keras.layers.Dense(7, name="first")(inputs)
    return keras.Model(inputs, {"out": nested(x) * 2.0, "first": x})


def test_flatten_layers_still_lists_nested_layers(model):
    names = [layer.name for layer in keras_internals.flat_layers(model)]
    assert {"inputs", "first", "nested", "inner"} <= set(names) and model.name not in names, (
        f"Model._flatten_layers lists {names} now; mend keras_internals.flat_layers"
    )


def test_variables_of_a_layer_still_stand_apart_from_those_within_it():
    block = layers.TransformerBlock(3, 11, name="block")
    block.build((None, 7, 15))
    assert keras_internals.own_variables(block) == [], "Layer._trainable_variables holds those of inner layers now"
    norm = keras.layers.BatchNormalization(name="norm")
    norm.build((None, 5))
    names = [variable.name for variable in keras_internals.own_variables(norm)]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"], (
        f"Layer._trainable_variables and _non_trainable_variables hold {names}; mend keras_internals.own_variables"
    )


def test_stored_kernel_still_leaves_out_the_low_rank_matrices():
    dense = keras.layers.Dense(3)
    dense.build((None, 5))
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones((2, 3)))
    kernel = keras_internals.stored_kernel(dense)
    assert isinstance(kernel, keras.Variable) and kernel.path.endswith("kernel"), "Dense._kernel is no variable now"
    delta = np.asarray(ops.matmul(dense.lora_kernel_a, dense.lora_kernel_b))
    np.testing.assert_allclose(np.asarray(dense.kernel) - np.asarray(kernel), delta, rtol=1e-4, atol=1e-6)


def test_nodes_still_come_in_an_order_that_can_run(model):
    nodes = keras_internals.graph_nodes(model)
    known = {id(tensor) for node in nodes if node.is_input for tensor in node.outputs}
    for node in nodes:
        if not node.is_input:
            assert all(id(tensor) in known for tensor in node.input_tensors), (
                "Model._nodes_by_depth is no longer sorted from the input on; mend keras_internals.graph_nodes"
            )
            known |= {id(tensor) for tensor in node.outputs}
    assert all(id(tensor) in known for tensor in model.outputs)


def test_call_of_a_layer_is_still_the_one_in_this_model(model):
    layer = model.get_layer("first")
    elsewhere = layer(keras.Input((5,)))
    node = keras_internals.call_node(model, layer)
    assert node.input_tensors[0] is model.input and node.outputs[0] is model.output["first"] is not elsewhere
    assert node.arguments.args[0] is model.input, "a node's arguments hold other tensors now; mend keras_internals"
    assert keras_internals.producer(model, model.output["first"]) is layer
    assert keras_internals.producer(model, model.input) is model.get_layer("inputs")


def test_walk_still_calls_each_layer_once_and_gives_what_the_model_gives(model):
    x, called = np.random.default_rng(0).normal(size=(2, 5)).astype("float32"), []

    def call(node, *args, **kwargs):
        called.append(node.operation.name)
        return node.operation(*args, **kwargs)

    got, expected = keras_internals.walk(model, ops.convert_to_tensor(x), call), model(x)
    assert called[:2] == ["first", "nested"] and len(called) == 3
    for name, each in expected.items():
        np.testing.assert_array_equal(got[name], each)


def test_walk_can_change_what_a_layer_gives_and_takes_symbols(model):
    def call(node, *args, **kwargs):
        given = node.operation(*args, **kwargs)
        return 0 * given if node.operation.name == "first" else given

    x = np.ones((2, 5), "float32")
    got = keras_internals.walk(model, ops.convert_to_tensor(x), call)
    np.testing.assert_allclose(got["out"], 2 * np.asarray(model.get_layer("nested")(np.zeros((2, 7)))))
    symbols = keras_internals.walk(model, model.input, call)
    np.testing.assert_array_equal(keras.Model(model.input, symbols)(x)["out"], got["out"])


def test_calls_of_a_layer_are_still_told_from_those_in_other_graphs(model):
    (inputs,) = model.inputs
    other = keras.Input((5,))
    first, nested = model.get_layer("first"), model.get_layer("nested")
    first(other)
    assert [tensor is inputs for tensor in keras_internals.called_on(model, first)] == [True]
    row = keras.Sequential([keras.Input((7,)), nested])
    assert [tensor is row.inputs[0] for tensor in keras_internals.called_on(row, nested)] == [True], (
        "the graph of a Sequential is not its _functional any more; mend keras_internals.called_on"
    )
    assert keras_internals.called_on(keras.Sequential(), first) == []


def test_seed_generators_of_a_layer_are_still_listed():
    dropout = keras.layers.Dropout(0.5, seed=3)
    generators = keras_internals.seed_generators(dropout)
    assert [type(each) for each in generators] == [keras.random.SeedGenerator], "Layer._seed_generators has moved"
    assert callable(generators[0].next) and generators[0] is dropout.seed_generator


def test_an_optimizer_still_lists_its_averages_in_the_order_of_its_weights():
    weights = [keras.Variable(np.full(shape, 2.0), name=f"w{i}") for i, shape in enumerate([(3,), (5, 7)])]
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75)
    optimizer.build(weights)
    for _ in range(2):  # the first step begins the average
        optimizer.apply_gradients([(ops.ones(each.shape), each) for each in weights])
    pairs = keras_internals.averages(optimizer)
    assert [weight is each for (weight, _), each in zip(pairs, weights, strict=True)] == [True, True]
    for weight, average in pairs:
        assert average.shape == weight.shape and float(ops.mean(weight)) == 0.0
        assert 0 < float(ops.mean(average)) < 2, "Optimizer._model_variables_moving_average is no average"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_gradients_are_still_reduced_where_they_are_clipped():
    weight = keras.Variable(np.zeros(2))
    optimizer = keras.optimizers.SGD(1.0)
    keras_internals.clip_after_reduction(optimizer, lambda gradients: [each / 5 for each in gradients])
    optimizer.build([weight])
    optimizer.apply_gradients([(ops.convert_to_tensor([3.0, 4.0]), weight)])
    np.testing.assert_allclose(weight, [-0.6, -0.8], rtol=1e-6, err_msg="Optimizer._all_reduce_sum_gradients is unused")


def test_moments_and_places_of_variables_still_follow_the_order_of_building():
    weights = [keras.Variable(np.zeros(shape), name=f"w{i}") for i, shape in enumerate([(3,), (5, 7)])]
    optimizer = keras.optimizers.Adam(beta_1=0.5, beta_2=0.75)
    optimizer.build(weights)
    optimizer.apply_gradients([(ops.full(each.shape, i + 2.0), each) for i, each in enumerate(weights)])
    for i, (weight, (first, second)) in enumerate(zip(weights, keras_internals.moments(optimizer), strict=True)):
        assert keras_internals.variable_index(optimizer, weight) == i
        np.testing.assert_allclose(first, np.full(weight.shape, 0.5 * (i + 2)))
        np.testing.assert_allclose(second, np.full(weight.shape, 0.25 * (i + 2) ** 2))


def test_frozen_variables_are_still_apart_from_those_that_are_not_trained_by_nature():
    norm = keras.layers.BatchNormalization(name="norm")
    norm.build((None, 5))
    norm.trainable = False
    names = [variable.name for variable in keras_internals.learned_variables(norm)]
    assert names == ["gamma", "beta"], (
        f"Layer._trainable_variables holds {names}; mend keras_internals.learned_variables"
    )


def test_sublayers_are_still_those_of_one_level():
    block = layers.TransformerBlock(3, 11, name="block")
    block.build((None, 7, 15))
    names = {layer.name for layer in keras_internals.sublayers(block)}
    assert {"norm1", "attention", "mlp"} <= names and "qkv" not in names, (
        f"Layer._flatten_layers(recursive=False) lists {names}; mend keras_internals.sublayers"
    )


def test_arguments_are_still_recorded_under_a_marked_get_config():
    class Own(keras.layers.Layer):
        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)

        @keras_internals.keeps_arguments(keras.layers.Layer)
        def get_config(self):
            return {**super().get_config(), "more": 1}

    config = Own(7, name="own").get_config()
    assert (config["size"], config["more"], config["name"], config["trainable"]) == (7, 1, "own", True), (
        "Keras tells its own get_config by another mark now; mend keras_internals.keeps_arguments"
    )
