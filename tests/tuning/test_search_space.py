"""What a search may change: the family's space, that of every training, and what the command line says."""

import dataclasses
import inspect
import itertools

import pytest

import keras_vit
from keras_vit import registry
from keras_vit.recipes import tune_classifier
from keras_vit.spaces import Range, Times
from keras_vit.tasks.presets.classify import PRESETS, plain
from keras_vit.tuning import search_space
from keras_vit.tuning.search_space import applied, axes, parameters, parse

SMALL = {"patch": 4, "width": 48, "depth": 5, "heads": 4, "mlp_dim": 96}
PLAIN = plain()
BASE = PLAIN.replace(model="vit-ti16", image_size=28, model_options=SMALL, learning_rate=7e-4)


def by_name(base=BASE, given=None):
    return {axis.name: axis for axis in axes(base, given)}


def test_the_default_of_every_axis_gives_the_options_back():
    found = axes(BASE)
    values = {each.name: each.default for each in parameters(found).space}
    assert set(values) >= {"learning_rate", "weight_decay", "augment", "depth", "width", "patch", "drop_path"}
    again = applied(found, values, BASE)
    assert again.replace(model_options=SMALL) == BASE
    assert again.model.options == SMALL | {"drop_path": 0.0}


def test_a_choice_changes_the_training_and_the_model_and_what_grows_alongside():
    found = by_name(given={"batch_size": (32, 64)})
    values = {axis.name: axis.default for axis in found.values()}
    values |= {"width": "72", "depth": "2", "batch_size": "64", "learning_rate": 0.00123456}
    options = applied(found.values(), values, BASE)
    assert options.optim.batch_size == 64 and options.optim.learning_rate == 0.001235
    assert options.model.options == SMALL | {"width": 72, "mlp_dim": 144, "depth": 2, "drop_path": 0.0}


def test_multiples_of_the_command_line_scale_what_grows_alongside_too():
    found = by_name(given={"width": "x0.5,x1,x2"})["width"]
    assert found.choices["24"] == {"width": 24, "mlp_dim": 48} and found.choices["96"] == {"width": 96, "mlp_dim": 192}
    alone = by_name(PLAIN.replace(model="vit-ti16", model_options={}), {"width": "64,128,192"})["width"]
    assert registry.resolve("vit-ti16", alone.choices["64"])[1].mlp_dim == 256


def test_multiples_are_whole_and_patches_fill_the_images():
    found = by_name(given={"patch": Times((0.5, 1, 1.5, 1.75, 2))})
    assert list(found["depth"].choices) == ["2", "5", "8"]
    assert list(found["patch"].choices) == ["2", "4", "7"]  # 6 and 8 leave a rest of 28


def test_ranges_and_choices_take_the_default_in():
    found = by_name(BASE.replace(learning_rate=0.5, augment="affine"), {"batch_size": (16, 512)})
    assert (found["learning_rate"].low, found["learning_rate"].high) == (1e-4, 0.5)
    assert "affine" in found["augment"].choices
    assert list(found["batch_size"].choices) == ["16", "512", "None"]  # of the number of images
    assert list(by_name(BASE.replace(batch_size=256), {"batch_size": (16, 512)})["batch_size"].choices) == [
        "16",
        "256",
        "512",
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_of_a_training_has_a_search_whose_trials_can_be_had(name):
    search = tune_classifier.PRESETS[name]()
    base = search.training
    assert base.run.output == ("runs/search" if name == "plain" else f"runs/{name}-search")
    if name not in ("digits", "smoke", "plain"):
        assert base == PRESETS[name]().replace(output=base.run.output)
        assert inspect.getdoc(PRESETS[name]) in inspect.getdoc(tune_classifier.PRESETS[name])
    found = axes(base, search.tuning.space)
    assert {axis.name for axis in found} >= {"learning_rate", "weight_decay"}
    start = {axis.name: axis.default for axis in found}
    assert applied(found, start, base).optim == base.optim
    for axis in found:
        for end in axis.choices or (axis.low, axis.high):
            registry.resolve(base.model.name, applied(found, start | {axis.name: end}, base).model.options)


def test_what_only_a_head_or_low_rank_matrices_learn_has_no_layers_to_decay_over():
    assert "layer_decay" in by_name(PRESETS["finetune"]())
    assert "layer_decay" not in by_name(PRESETS["probe"]()) and "layer_decay" not in by_name(PRESETS["lora"]())
    decay = by_name(PRESETS["probe"]())["weight_decay"]
    assert (decay.low, decay.high, decay.log) == (0, 0.3, False)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ((2, 4), (2, 4)),
        ([2, 4], (2, 4)),
        ("0..0.3", Range(0, 0.3)),
        ("log:1e-4..1e-2", Range(1e-4, 1e-2, log=True)),
        ("x0.5,x1,x2", Times((0.5, 1.0, 2.0))),
        ("none,affine", ("none", "affine")),
        ("gelu,swiglu", ("gelu", "swiglu")),
        (Range(1, 3), Range(1, 3)),
        ("fixed", None),
    ],
)
def test_command_line_forms(text, means):
    assert parse("this", text) == means


def test_an_entry_replaces_the_familys_and_fixed_leaves_it_out():
    found = by_name(given={"depth": "3..9", "width": "fixed", "patch": (2, 7)})
    assert found["depth"].whole and (found["depth"].low, found["depth"].high) == (3, 9)
    assert found["depth"].changes(4) == {"depth": 4}
    assert "width" not in found and list(found["patch"].choices) == ["2", "4", "7"]


def test_a_checkpoint_keeps_the_shape_of_its_model():
    found = by_name(BASE.replace(weights="some.safetensors"))
    assert not {"depth", "width", "patch"} & set(found)
    assert "drop_path" in found and found["learning_rate"].low == 1e-5
    assert "layer_decay" in found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"dept": (1, 2)}, "'dept' in the space of vit-ti16 is neither"),
        ({"depth": 4}, "depth=4 is no space to search in; give such as depth=2,4,6"),
        ({"depth": "five"}, "depth='five' is no space"),
        ({"drop_path": "0.3..0.1"}, r"drop_path=0.3..0.1 is no space .*from 0.3 to 0.1 is empty"),
        ({"drop_path": "log:0..0.1"}, "can't begin at 0"),
        ({"drop_path": Range(0.1, 0.3, log=True)}, "drop_path is 0.0, which no logarithmic range holds"),
        ({"layer_scale": Range(0.0, 1.0)}, "layer_scale is None, which no range holds"),
        ({"epochs": (3, 9)}, "epochs is no option to search over"),
        ({"output": ("a", "b")}, "output is no option to search over"),
        (dict.fromkeys((*search_space.TRAINING, "depth", "width", "patch", "drop_path"), "fixed"), "nothing is left"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_with_a_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        axes(BASE, given)


@pytest.mark.parametrize("name", keras_vit.list_families())
def test_every_family_of_the_zoo_has_a_space_whose_values_it_takes(name):
    family = registry.family(name)
    assert family.space
    for row in family.variants:
        model = registry.join(name, row)
        found = axes(PLAIN.replace(model=model))
        assert set(family.space) <= {axis.name for axis in found}, model
        for axis in found:
            for value in axis.choices or (axis.low, axis.high):
                registry.resolve(model, {k: v for k, v in axis.changes(value).items() if k not in BASE.flat()})


def test_choices_of_a_family_can_be_built():
    small = PLAIN.replace(model="convmixer-768-32", image_size=28, model_options={"width": 8, "depth": 2, "kernel": 3})
    found = [axis for axis in axes(small) if axis.name in ("width", "depth", "patch", "kernel")]
    sizes = set()
    for values in itertools.product(*(list(axis.choices)[::2] for axis in found)):
        options = applied(found, dict(zip((axis.name for axis in found), values, strict=True)), small)
        model = keras_vit.build(options.model.name, image_size=28, classes=3, **options.model.options)
        sizes.add(model.count_params())
    assert len(sizes) > 8


def test_a_plug_in_brings_its_space(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        wings: int = 2
        image_size: int = 32
        channels: int = 3
        classes: int = 10

    @keras_vit.register({"": Config()}, space={"wings": (2, 4, 6), "weight_decay": Range(0.0, 0.1)})
    def swallow(c):
        raise AssertionError("a space needs no model")

    found = by_name(PLAIN.replace(model="swallow", model_options={"wings": 4}))
    assert found["wings"].default == "4" and found["wings"].changes("6") == {"wings": 6}
    assert (found["weight_decay"].high, found["weight_decay"].log) == (0.1, False)
    assert found["learning_rate"] == by_name(PLAIN)["learning_rate"]
