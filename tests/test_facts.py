"""What is known of models before they are built: the table that is shipped, and what no table holds."""

import csv
from pathlib import Path

import pytest

from keras_vit import ZooError, registry
from keras_vit.facts import count, facts, is_counted, matching
from keras_vit.zoo import lenet

# by family, the model that is counted here: a small one, for all of a family go through the same code
LIVE = {
    "beit": "beit-b16-v2",
    "cait": "cait-xxs24",
    "convmixer": "convmixer-1024-20",
    "convnext": "convnext-atto",
    "deit": "deit-ti16-distilled",
    "deit3": "deit3-s16",
    "dinov2": "dinov2-s14-reg4",
    "lenet": "lenet-5",
    "mixer": "mixer-s32",
    "mlp": "mlp",
    "resmlp": "resmlp-s12",
    "resnet": "resnet-18",
    "resnetv2": "resnetv2-50",
    "swin": "swin-t",
    "vit": "vit-r26-s32",
}
# the trainable weights of the reference implementations, each with a head of 1000 classes
with open(Path(__file__).parent / "zoo" / "published_counts.csv", newline="") as file:
    PUBLISHED = {row["model"]: int(row["parameters"]) for row in csv.DictReader(file)}


def config_of(name):
    return registry.resolve(name)[1]


@pytest.fixture
def finch(monkeypatch):
    """The name of a family of somebody else's, without a row in the table."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @registry.register({"s": lenet.LeNet(), "m": lenet.LeNet(image_size=None, classes=7)})
    def finch(config):
        return lenet.lenet(config)

    return "finch"


def test_table_holds_every_model_and_no_other():
    own = [name for name in registry.list_families() if registry.offer_of(name).module.startswith("keras_vit.zoo.")]
    names = [registry.join(start, row) for start in own for row in registry.family(start).variants]
    assert sorted(LIVE) == own
    assert [name for name in names if not is_counted(name)] == [], "run: make tables"
    assert sorted(names) == matching()


def test_counts_of_all_models_are_those_of_the_reference_implementations():
    ours = {}
    for name in PUBLISHED:
        config = config_of(name)
        head = 0 if config.classes else (config.width + 1) * 1000  # a backbone comes without one
        assert config.classes in (0, 1000)
        ours[name] = facts(name).parameters + head
    assert ours == PUBLISHED
    assert set(matching()) - PUBLISHED.keys() == {"lenet-5", "mlp"}  # which zoo/test_counts.py counts by hand


def test_image_sizes_are_those_that_the_models_are_built_for():
    for name in matching():
        size = config_of(name).image_size
        assert facts(name).image_size == ((size, size) if isinstance(size, int) else size), name


@pytest.mark.parametrize("name", LIVE.values())
def test_a_model_of_each_family_has_the_counts_of_the_table(name):
    known = facts(name)
    assert count(name) == (known.parameters, known.macs, known.image_size), "run: make tables"


def test_macs_of_plain_transformers_are_those_of_their_products():
    checked = 0
    for name in matching():
        config = config_of(name)
        if registry.split(name)[0] not in ("vit", "deit", "deit3") or config.trunk is not None:
            continue
        cells, heads = (config.image_size // config.patch) ** 2, 1 + (config.distillation is not None)
        tokens, width = cells + config.class_token + config.registers + heads - 1, config.width
        block = tokens * width * (4 * width + 2 * config.mlp_dim) + 2 * tokens**2 * width
        by_hand = cells * config.patch**2 * 3 * width + config.depth * block + heads * width * config.classes
        assert facts(name).macs == by_hand, name
        checked += 1
    assert checked > 30


def test_macs_of_mixers_are_those_of_their_products():
    for name in matching("mixer"):
        config = config_of(name)
        cells, width = (config.image_size // config.patch) ** 2, config.width
        block = 2 * cells * config.token_mlp_dim * width + 2 * cells * width * config.mlp_dim
        by_hand = cells * config.patch**2 * 3 * width + config.depth * block + width * config.classes
        assert facts(name).macs == by_hand, name


def test_checkpoints_are_those_of_the_model_alone():
    table = Path(registry.family("vit").make.__code__.co_filename).with_suffix(".csv")
    with open(table, newline="", encoding="utf-8") as rows:
        expected = [row["tag"] for row in csv.DictReader(rows) if row["variant"] == "b16"]
    assert [each.tag for each in facts("vit-b16").checkpoints] == expected and len(expected) > 3
    assert facts("mlp").checkpoints == ()


def test_models_without_a_row_are_counted_when_they_are_asked_for(finch):
    assert not is_counted("finch-s") and matching("finch") == ["finch-m", "finch-s"]
    own = facts("lenet-5")
    assert facts("finch-s") == own._replace(name="finch-s", checkpoints=())
    convolutions = 220**2 * 6 * 25 + 106**2 * 16 * 6 * 25 + 49**2 * 120 * 16 * 25  # of 224 pixels, without padding
    assert facts("finch-m").image_size is None
    assert facts("finch-m").macs == convolutions + 49**2 * 120 * 84 + 84 * 7


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("resnet", ["resnet-101", "resnet-152", "resnet-18", "resnet-34", "resnet-50"]),
        ("mlp", ["mlp"]),
        ("vit-b16", ["vit-b16"]),
        ("resnetv2-10?", ["resnetv2-101"]),
    ],
)
def test_a_family_or_a_wildcard_finds_its_models(pattern, found):
    assert matching(pattern) == found


@pytest.mark.parametrize(("typed", "meant"), [("swim", "swin"), ("viit-*", "vit"), ("vit-b61", "vit-b16")])
def test_a_name_that_nothing_matches_is_answered_with_the_closest(typed, meant):
    with pytest.raises(ZooError, match=f"did you mean '{meant}'.*the families are beit, cait"):
        matching(typed)


def test_a_family_that_is_offered_twice_is_left_out_with_a_warning_and_has_no_facts(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    vit = registry.family("vit")
    registry._registered["vit"] = registry._registered["vit"] | {"elsewhere": vit._replace(module="elsewhere")}
    with pytest.warns(UserWarning, match="'vit' is offered by"):
        assert not any(name.startswith("vit-") for name in matching())
    with pytest.raises(ZooError, match="'vit' is offered by"):
        facts("vit-b16")
