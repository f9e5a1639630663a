"""Every measure of layers runs on every family, or refuses with a sentence that names the model."""

import numpy as np
import pytest

import keras_vit
from keras_vit import analysis
from keras_vit.analysis.cells import last_block, layers_before_head, layers_with_cells
from keras_vit.testing import small

LABELS = np.arange(12) % 3


def last_map(model):
    """Returns the last layer that gives tokens or a map of several cells, or the last block where none does."""
    shapes = {name: model.get_layer(name).output.shape for name in layers_with_cells(model)}
    several = [name for name, shape in shapes.items() if len(shape) == 3 or shape[1] * shape[2] > 1]
    return several[-1] if several else last_block(model)


MEASURES = {
    "distance": lambda model, images: analysis.attention_distance(model, images),
    "uniform distance": lambda model, images: analysis.uniform_attention_distance(model, images),
    "skip": lambda model, images: {
        f"{block} {branch}": np.append(each.prefix, each.cells[np.isfinite(each.cells)])
        for block, branches in analysis.skip_ratio(model, images).items()
        for branch, each in branches.items()
    },
    "field": lambda model, images: analysis.effective_receptive_field(model, images, last_block(model), channels=2),
    "localisation": lambda model, images: {"cells": analysis.localisation(model, images, last_map(model)).cells},
    "probe": lambda model, images: analysis.probe(model, (images, LABELS), (images, LABELS)),
    "cka": lambda model, images: {
        "all": analysis.cka(model, model, images, layers=[layers_before_head(model)] * 2, batch=6).values
    },
}
NO_ROWS_OF_SHARES = r"has no attention distance: .*; take a model such as a ViT or a Swin$"
WITHOUT_ATTENTION = ("convnext", "convmixer", "lenet", "mixer", "mlp", "resmlp", "resnet", "resnetv2")
REFUSED = {
    **{(family, "distance"): NO_ROWS_OF_SHARES for family in (*WITHOUT_ATTENTION, "cait")},
    **{(family, "uniform distance"): NO_ROWS_OF_SHARES for family in (*WITHOUT_ATTENTION, "cait")},
    **{(family, "skip"): "has no skip connections; take a model of residual blocks" for family in ("lenet", "mlp")},
    ("mlp", "localisation"): "'map' of mlp has one cell on images of this size; take an earlier layer or a model that",
}


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_family_has_each_measure_or_a_sentence(family):
    model = small(family)
    images = np.random.default_rng(4).normal(size=(12, *model.input.shape[1:])).astype("float32")
    for measure, of in MEASURES.items():
        if (family, measure) in REFUSED:
            with pytest.raises(ValueError, match=REFUSED[family, measure]) as refusal:
                of(model, images)
            assert model.name in str(refusal.value)
            continue
        found = of(model, images)
        assert found, measure
        for name, values in found.items():
            assert np.size(values) and np.isfinite(values).all(), (measure, name)
