"""What is done to the parts of a layer is there in its clone, in its saved file and in a model of its configuration."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_vit import keras_internals, layers
from keras_vit.tasks.transfer import add_lora, freeze
from keras_vit.testing import small
from keras_vit.training.optim.optimizers import make_optimizer


def flags(model):
    """Returns what is trainable: of each layer, nested ones too, and of each weight."""
    within = keras_internals.flat_layers(model)
    inner = [(each.name, each.trainable) for each in within if not isinstance(each, keras.layers.InputLayer)]
    return model.trainable, inner, {weight.path: weight.trainable for weight in model.weights}


def loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


SEAMS = {
    "saving": loaded,
    "cloning": lambda model, folder: keras.models.clone_model(model),
    "from_config": lambda model, folder: keras.Model.from_config(model.get_config()),
    "saving twice": lambda model, folder: loaded(loaded(model, folder), folder),
}


def whole(model):
    model.trainable = False
    for layer in model.layers:
        layer.trainable = layer.name == "head"
    model.trainable = True
    freeze(model, until="head")


def part(model):
    model.get_layer("stage_1_block_0").trainable = False
    model.get_layer("stage_1_block_0").mlp.fc2.trainable = True
    model.get_layer("stage_0_block_1").attention.within.qkv.trainable = False


def variable(model):
    model.get_layer("stage_0_block_0").mlp.fc1.kernel.trainable = False
    model.get_layer("stage_0_block_0").attention.bias.table.trainable = False


@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.parametrize("frozen", [whole, part, variable])
def test_frozen_layers_parts_and_variables_stay_frozen_after(seam, frozen, tmp_path):
    model = small("swin")
    before = flags(model)
    frozen(model)
    assert flags(model) != before
    assert flags(SEAMS[seam](model, tmp_path)) == flags(model)


def test_model_that_is_frozen_as_a_whole_is_so_when_loaded_and_learns_when_thawed(tmp_path):
    model = small("vit")
    model.trainable = False
    after = loaded(model, tmp_path)
    assert not after.trainable and not after.trainable_weights
    after.trainable = True
    assert flags(after) == flags(small("vit"))


def test_frozen_batch_normalisation_within_a_block_keeps_its_statistics_after_loading(tmp_path):
    model = small("resnet")
    model.get_layer("stage_0_block_0").trainable = False
    after = loaded(model, tmp_path)
    images = np.random.default_rng(3).normal(size=(4, *model.input_shape[1:])).astype("float32")
    norms = [after.get_layer(f"stage_{i}_block_0").branch[1] for i in range(2)]
    before = [norm.moving_mean.numpy() for norm in norms]
    after(images, training=True)
    moved = [not np.array_equal(norm.moving_mean, old) for norm, old in zip(norms, before, strict=True)]
    assert moved == [False, True]


def test_nothing_is_written_of_a_layer_that_was_left_alone_and_files_without_it_load():
    block = small("vit").get_layer("block_0")
    config = block.get_config()
    assert "parts" not in config and config["heads"] == 3
    assert layers.TransformerBlock.from_config(config).get_config() == config


def test_part_that_the_file_names_and_the_layer_lacks_is_named():
    config = {**layers.Mlp(8, name="mlp").get_config(), "parts": {"fc9": {"trainable": False}}}
    with pytest.raises(ValueError, match="mlp of the file has 'fc9', .*; mlp has .*fc1"):
        layers.Mlp.from_config(config).build((None, 4))


ONE_BLOCK = {"vit": {"depth": 1}, "swin": {"blocks": (1,), "heads": (2,)}, "mixer": {"depth": 1}}


@pytest.mark.parametrize(
    ("family", "mode"), [("vit", "int8"), ("vit", "int4"), ("vit", "float8"), ("swin", "int8"), ("mixer", "int8")]
)
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantised_model_loads_and_computes_the_same(family, mode, tmp_path):
    model = small(family, **ONE_BLOCK[family])
    images = np.random.default_rng(3).normal(size=(2, *model.input_shape[1:])).astype("float32")
    exact = np.asarray(model(images))
    model.quantize(mode)
    expected = np.asarray(model(images))
    assert not np.array_equal(expected, exact)
    after = loaded(model, tmp_path)
    np.testing.assert_allclose(after(images), expected, atol=1e-6)
    assert {w.path: str(w.dtype) for w in after.weights} == {w.path: str(w.dtype) for w in model.weights}


def adapted(model):
    add_lora(model, rank=2, alpha=3)


def trained(change, path):
    """Returns a model and its images after steps of training, with parameter groups, of what `change` leaves to learn.

    Keras saves it at `path`.
    """
    model = small("vit")
    change(model)
    optimizer = make_optimizer("adamw", model, 0.01, weight_decay=0.1, layer_decay=0.5)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.random.default_rng(3).normal(size=(4, *model.input_shape[1:])).astype("float32")
    model.fit(images, np.arange(4), epochs=2, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    return model, images


@pytest.mark.parametrize("change", [lambda model: freeze(model, "block_2"), adapted], ids=["freeze", "lora"])
def test_checkpoint_of_a_partly_trained_network_loads_with_its_optimizer_and_goes_on(change, tmp_path):
    model, images = trained(change, tmp_path / "a.keras")
    after = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(after(images), model(images), atol=1e-5)
    assert flags(after) == flags(model) and after.optimizer.iterations == 2
    assert after.optimizer.scales == model.optimizer.scales
    before = {weight.path: weight.numpy() for weight in after.weights}
    after.fit(images, np.arange(4), epochs=2, verbose=0)
    changed = {weight.path for weight in after.weights if not np.array_equal(weight, before[weight.path])}
    assert changed == {weight.path for weight in after.trainable_weights}


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda model: freeze(model, "block_2"), adapted], ids=["freeze", "lora"])
def test_checkpoint_of_a_partly_trained_network_loads_in_a_new_process(change, tmp_path):
    model, _ = trained(change, tmp_path / "a.keras")
    code = f"""
import keras, keras_vit
model = keras.saving.load_model("{tmp_path}/a.keras")
print(type(model.optimizer).__name__, len(model.trainable_weights), int(model.optimizer.iterations))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["GroupedAdamW", str(len(model.trainable_weights)), "2"], done.stderr
