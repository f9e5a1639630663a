"""The recipe draws every method that a model offers on files of images, or says what it lacks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import analysis
from keras_vit.recipes import draw_attention as recipe
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.train import train


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two files of images of different sizes and formats."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(3)
    paths = (str(folder / "wide.png"), str(folder / "tall.jpg"))
    for path, size in zip(paths, ((41, 67, 3), (53, 37, 3)), strict=True):
        Image.fromarray(rng.integers(0, 256, size, "uint8")).save(path)
    return paths


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small ViT, and its name with the file of its weights."""
    model = keras_vit.build("vit-ti16", image_size=(32, 48))
    head = model.get_layer("head")  # all zeros before training, so that no class would have a gradient
    head.kernel.assign(np.random.default_rng(5).normal(size=head.kernel.shape))
    path = tmp_path_factory.mktemp("named") / "own.weights.h5"
    model.save_weights(path)
    return model, f"vit-ti16:{path}"


@pytest.mark.slow
def test_every_method_of_a_checkpoint_is_drawn_as_attention_gives_it(stored, photos, tmp_path, capsys):
    model, name = stored
    options = recipe.Options(images=photos, model=name, image_size=(32, 48), output=str(tmp_path / "new" / "seen.png"))
    found = recipe.draw(options)
    assert ["raw", *found] == analysis.methods(model) and "drawn to" in (said := capsys.readouterr().out)
    assert "says nothing of how its images are prepared" in said
    preprocessing = keras_vit.preprocessing("vit-ti16", image_size=(32, 48))
    images = np.stack([preprocessing.prepare(preprocessing.decode(Path(path).read_bytes())) for path in photos])
    np.testing.assert_allclose(found["rollout"], analysis.attention(model, images), rtol=1e-4)
    heads = analysis.attention(model, images, "dino")
    np.testing.assert_allclose(found["dino"], heads.mean(axis=1), rtol=1e-4)
    with Image.open(options.output) as picture:
        assert picture.width > 2 * 2.2 * 85 and picture.height > 6 * 2.2 * 85


def test_run_of_a_network_without_attention_names_its_classes(photos, tmp_path):
    smoke = PRESETS["smoke"]().replace(model="mlp", model_options={"widths": (8,)}, output=str(tmp_path / "run"))
    model = train(smoke).model
    given = {"images": photos, "model": smoke.run.output, "output": str(tmp_path / "seen.png")}
    found = recipe.draw(recipe.Options(**given, methods=("occlusion",), target=3))
    assert list(found) == ["occlusion"] and found["occlusion"].shape == (2, 8, 8)
    title, _ = recipe.titles(model, np.zeros((2, *model.input_shape[1:]), "float32"), tuple("abcdefghij"))
    assert title[0] in "abcdefghij" and title.endswith("%")
    with pytest.raises(ValueError, match=r"'rollout' won't do for mlp.*it offers .*occlusion"):
        recipe.draw(recipe.Options(**given, methods=("rollout",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": ()}, "no images were given; .*--images cat.jpg"),
        ({"images": ("/nowhere/cat.jpg",)}, "image '/nowhere/cat.jpg' can't be read: No such file"),
        ({"images": (__file__,)}, r"test_draw_attention.py' is no image in JPEG"),
        ({"model": "vit-ti16"}, "'vit-ti16' says nothing of weights; name some"),
    ],
)
def test_what_cannot_be_drawn_is_quoted_and_nothing_written(stored, photos, tmp_path, changes, message):
    given = {"images": photos, "model": stored[1], "image_size": (32, 48)}
    options = recipe.Options(**given, output=str(tmp_path / "out" / "a.png"))
    with pytest.raises(ValueError, match=message):
        recipe.draw(dataclasses.replace(options, **changes))
    assert not (tmp_path / "out").exists()
