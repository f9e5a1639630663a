"""One table of positions is shared out among tokens and grid as the model has them, and never silently wrong."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_vit import build, testing
from keras_vit.weights import CheckpointError, load_weights

_SIZE = {"width": 12, "depth": 1, "heads": 3, "mlp_dim": 20, "patch": 4, "image_size": (8, 12), "classes": 5}


def _model(**options):
    model = testing.randomise(build("vit-ti16", **{**_SIZE, **options}))
    return model, {weight.path: np.array(weight) for weight in model.weights}


def _as_timm(weights, **tensors):
    """Returns `weights` under timm's names, but for tokens and positions, which are the given `tensors`."""
    skip = ("class_token", "registers", "distillation_token", "position")
    names = {"embed": "patch_embed.proj", "block_0": "blocks.0", "attention/out": "attn.proj", "attention": "attn"}
    for path, array in weights.items():
        if path.startswith(skip):
            continue
        start, _, leaf = path.rpartition("/")
        for ours, theirs in names.items():
            start = start.replace(ours, theirs)
        leaf = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(leaf, leaf)
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        tensors[f"{start.replace('/', '.')}.{leaf}"] = array
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _rows(*parts):
    return np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])[None]


def test_table_holds_class_token_then_registers_then_the_grid(tmp_path):
    _, weights = _model(registers=2)
    table = _rows(weights["class_token/position"], weights["registers/position"], weights["position/table"])
    tokens = {"cls_token": weights["class_token/token"][None], "reg_token": weights["registers/token"][None]}
    save_file(_as_timm(weights, pos_embed=table, **tokens), tmp_path / "vit.safetensors")
    again, _ = _model(registers=2)
    testing.randomise(again, seed=1)
    load_weights(again, tmp_path / "vit.safetensors")
    for weight in again.weights:
        np.testing.assert_array_equal(weight, weights[weight.path], weight.path)


def test_table_of_the_grid_alone_does_not_fit_a_model_whose_class_token_has_a_position(tmp_path):
    _, weights = _model(prefix_position=False)
    token, table = weights["class_token/token"][None], _rows(weights["position/table"])
    tensors = _as_timm(weights, pos_embed=table, cls_token=token)
    save_file(tensors, tmp_path / "vit.safetensors")
    with pytest.raises(CheckpointError, match="5 positions fill neither a square nor our grid of 2x3"):
        load_weights(_model()[0], tmp_path / "vit.safetensors")
    load_weights(_model(prefix_position=False)[0], tmp_path / "vit.safetensors")


def test_registers_are_not_dropped_silently(tmp_path):
    _, weights = _model(registers=2, prefix_position=False)
    tokens = {"cls_token": weights["class_token/token"][None], "reg_token": weights["registers/token"][None]}
    tensors = _as_timm(weights, pos_embed=_rows(weights["position/table"]), **tokens)
    save_file(tensors, tmp_path / "vit.safetensors")
    with pytest.raises(CheckpointError, match=r"no weight for.*\n    reg_token"):
        load_weights(_model(prefix_position=False)[0], tmp_path / "vit.safetensors")


@pytest.mark.parametrize("options", [{"position": "sincos"}, {"class_token": False}])
def test_options_that_do_not_go_together_are_refused(options):
    with pytest.raises(ValueError, match=r"position is 'learned'|pass pool='mean'"):
        build("vit-ti16", **{**_SIZE, **options})
