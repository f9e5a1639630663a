"""Whatever a file holds that can't be weights is refused with a sentence, and the model stays as it was."""

import json
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from kit.refusals import refusal
from safetensors.numpy import save_file

import keras_vit
from keras_vit.weights import CheckpointError

_SIZE = {"width": 12, "depth": 1, "heads": 3, "mlp_dim": 20, "patch": 8, "image_size": 16, "classes": 5}


@pytest.fixture(scope="module")
def model():
    return keras_vit.build("vit-ti16", **_SIZE)


@pytest.fixture(scope="module")
def tensors(model):
    """{timm's name: array} for `model`."""
    rng = np.random.default_rng(3)
    names = {
        "embed": "patch_embed.proj",
        "class_token/token": "cls_token",
        "block_0/attention/out": "blocks.0.attn.proj",
    }
    names |= {"block_0/attention": "blocks.0.attn", "block_0": "blocks.0"}
    found = {"cls_token": rng.normal(size=(1, 1, 12)), "pos_embed": rng.normal(size=(1, 5, 12))}
    for weight in model.weights:
        path, shape = weight.path, tuple(weight.shape)
        if path.startswith(("class_token", "position")):
            continue
        for ours, theirs in names.items():
            path = path.replace(ours, theirs)
        start, _, leaf = path.rpartition("/")
        leaf = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(leaf, leaf)
        array = rng.normal(size=shape)
        found[f"{start.replace('/', '.')}.{leaf}"] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return {name: np.ascontiguousarray(array, "float32") for name, array in found.items()}


def _spoilt(array, value):
    array = array.copy()
    array.flat[-1] = value
    return array


@pytest.mark.parametrize("name", ["norm.bias", "pos_embed", "blocks.0.attn.qkv.weight"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda a: _spoilt(a, np.nan), "holds 1 numbers that are NaN, infinite or too large for float32"),
        (lambda a: _spoilt(a, -np.inf), "holds 1 numbers that are NaN, infinite or too large for float32"),
        (lambda a: _spoilt(a.astype("float64"), 1e300), "holds 1 numbers that are NaN, infinite or too large"),
        (lambda a: a.astype("complex64"), "is float32, {} is complex64"),
        (lambda a: np.rint(a).astype("int32"), "is float32, {} is int32"),
        (lambda a: a.astype("uint8"), "is float32, {} is uint8"),
        (lambda a: a > 0, "is float32, {} is bool"),
        (lambda a: np.rint(a).astype("datetime64[s]"), "is float32, {} is datetime64[s]"),
        (lambda a: a.astype("U9"), "is float32, {} is str288"),
        (lambda a: np.full(a.shape, None, object), "is float32, {} is object"),
    ],
)
def test_tensor_that_holds_no_finite_real_numbers_is_refused(model, tensors, tmp_path, name, spoil, says):
    path = tmp_path / "vit.npz"
    np.savez(path, **tensors | {name: spoil(tensors[name])})
    said = refusal(model, path)
    assert says.format(name) in said and name in said


def test_other_precisions_and_integers_that_nothing_reads_load(model, tensors, tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in ("float16", "float64", ml_dtypes.bfloat16):
        small = {name: array.astype(dtype) for name, array in tensors.items()}
        small["num_batches_tracked"] = np.zeros((), "int64")
        save_file(small, tmp_path / "vit.safetensors")
        keras_vit.load_weights(model, tmp_path / "vit.safetensors")
        got = next(weight for weight in model.weights if weight.path == "norm/beta")
        np.testing.assert_array_equal(got, small["norm.bias"].astype("float32"))


@pytest.mark.parametrize("leave", ["", ["head", ""], [None], 5, b"head", {"head": 1}])
def test_leave_that_is_no_beginning_of_a_name_is_refused(model, tensors, tmp_path, leave):
    save_file(tensors, tmp_path / "vit.safetensors")
    assert "is no beginning of a name, such as 'head'" in refusal(model, tmp_path / "vit.safetensors", leave=leave)


def _h5(model, path):
    path = path / "vit.weights.h5"
    model.save_weights(path)
    return path


@pytest.mark.parametrize("place", ["layers", "elsewhere/deep"])
@pytest.mark.parametrize("kind", ["soft", "external", "virtual", "external data"])
def test_hdf5_that_points_elsewhere_is_refused_wherever_it_does(model, tmp_path, place, kind):
    path = _h5(model, tmp_path)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.zeros(12, "float32")
    with h5py.File(path, "r+") as file:
        group = file.require_group(place)
        if kind == "soft":
            group["link"] = h5py.SoftLink("/layers")
        elif kind == "external":
            group["link"] = h5py.ExternalLink(str(other), "/secret")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((12,), "float32")
            layout[:] = h5py.VirtualSource(str(other), "secret", (12,))
            group.create_virtual_dataset("link", layout)
        else:
            group.create_dataset("link", (12,), "float32", external=[(str(other), 0, 48)])
    says = "points to another file" if kind in ("virtual", "external data") else "is a link to another place"
    assert f"{place}/link {says}" in refusal(model, path)
    with zipfile.ZipFile(tmp_path / "vit.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {}}))
        archive.write(path, "model.weights.h5")
    assert f"{place}/link {says}" in refusal(model, tmp_path / "vit.keras")


def test_hdf5_groups_that_hold_each_other_come_to_an_end(model, tmp_path):
    path = _h5(model, tmp_path)
    with h5py.File(path, "r+") as file:
        file["layers/again"] = file["layers"]  # a hard link
    keras_vit.load_weights(model, path)


_HUGE = 2**28  # numbers; 1 GiB


def _peak(run):
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["head", "position"])
def test_shapes_are_compared_before_numbers_of_hdf5_are_read(model, tmp_path, name):
    path = _h5(model, tmp_path)
    with h5py.File(path, "r+") as file:
        group = file[f"layers/{'linear_head' if name == 'head' else 'position_embedding'}/vars"]
        del group["0"]
        shape = (_HUGE // 12, 12) if name == "head" else (_HUGE // 12 // 4, 4, 12)
        group.create_dataset("0", shape, "float32", compression="gzip", chunks=(2**18, *shape[1:]), fillvalue=0)
    assert _peak(lambda: refusal(model, path)) < 64 * 2**20
    assert "is (12, 5)" in refusal(model, path) if name == "head" else "is (2, 2, 12)" in refusal(model, path)


def test_hdf5_whose_pieces_are_larger_than_itself_is_refused(model, tmp_path):
    path = _h5(model, tmp_path)
    with h5py.File(path, "r+") as file:
        group = file["layers/linear_head/vars"]
        del group["1"]
        group.create_dataset("1", (5,), "float32", maxshape=(None,), chunks=(_HUGE,), compression="gzip")
    assert "stored in pieces of" in refusal(model, path)


def _npy(shape, dtype="<f4"):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize(
    ("name", "shape"),
    [("head.weight", (_HUGE, 12)), ("pos_embed", (1, _HUGE, 12)), ("cls_token", (2**62, 2**62)), ("norm.bias", (-3,))],
)
def test_shapes_are_compared_before_numbers_of_npz_are_read(model, tensors, tmp_path, name, shape):
    path = tmp_path / "vit.npz"
    np.savez(path, **{other: array for other, array in tensors.items() if other != name})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{name}.npy", "w") as file:
        file.write(_npy(shape) + bytes(2**20))
    assert _peak(lambda: refusal(model, path)) < 64 * 2**20


def test_keras_file_that_unpacks_to_more_than_weights_can_is_refused(model, tmp_path):
    path = tmp_path / "vit.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"config": {}}))
        with archive.open("model.weights.h5", "w") as file:
            for _ in range(128):
                file.write(bytes(2**20))
    assert _peak(lambda: refusal(model, path)) < 2**20 * 16
    assert f"bytes unpack to {128 * 2**20}" in refusal(model, path)


@pytest.fixture(scope="module")
def whole(model, tensors, tmp_path_factory):
    """{suffix: the bytes of a file that loads}."""
    folder = tmp_path_factory.mktemp("whole")
    np.savez(folder / "a.npz", **tensors)
    np.savez_compressed(folder / "compressed.npz", **tensors)
    save_file(tensors, folder / "a.safetensors")
    model.save_weights(folder / "a.weights.h5")
    model.save(folder / "a.keras")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _damaged(content, kind, rng):
    """Returns `content` cut off, with a flipped bit or 64 bytes filled, half the time where the structure stands."""
    content = np.frombuffer(content, "uint8").copy()
    ends = rng.integers(2)
    at = int(rng.integers(min(len(content), 2000) if ends else len(content)))
    at = len(content) - 1 - at if ends and rng.integers(2) else at
    if kind == "cut":
        content = content[:at]
    elif kind == "flipped":
        content[at] ^= 1 << int(rng.integers(8))
    else:
        content[at : at + 64] = rng.integers(256)
    return content.tobytes()


def _refusals(model, whole, path, kind, trials, seed):
    """Returns how many of `trials` damaged files were refused; each leaves `model` alone or fills it with numbers."""
    rng, refused = np.random.default_rng(seed), 0
    for _ in range(trials):
        path.write_bytes(_damaged(whole[path.name], kind, rng))
        before = [np.array(w) for w in model.weights]
        try:
            keras_vit.load_weights(model, path)
        except CheckpointError as error:
            refused += 1
            assert path.name in str(error)
            assert all(np.array_equal(w, old) for w, old in zip(model.weights, before, strict=True))
        assert all(np.isfinite(w).all() for w in model.weights)
    return refused


_DAMAGE = ["cut", "flipped", "filled"]
_FILES = ["a.npz", "compressed.npz", "a.safetensors", "a.weights.h5", "a.keras"]


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("kind", _DAMAGE)
def test_damaged_file_is_refused_or_loads_finite_numbers(model, whole, tmp_path, name, kind):
    refused = _refusals(model, whole, tmp_path / name, kind, 16, seed=11)
    assert refused == 16 if kind == "cut" else refused > 0  # what strikes numbers alone can't be seen


@pytest.mark.slow
@pytest.mark.parametrize("name", _FILES)
def test_a_thousand_damaged_files_are_refused_in_bounded_memory(model, whole, tmp_path, name):
    refused = []
    peak = _peak(lambda: refused.extend(_refusals(model, whole, tmp_path / name, kind, 70, 5) for kind in _DAMAGE))
    assert sum(refused) > 70 and peak < 64 * 2**20


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (b"{", "can't be read as .keras"),
        (b"[]", "can't be read as .keras"),
        (b'{"config": {"layers": [3]}}', "can't be read as .keras"),
        (b"[" * 10_000, "can't be read as .keras"),
        (b" " * 2**25 + b"{}", "its config.json is of 33554434 bytes"),
    ],
)
def test_keras_file_with_a_damaged_configuration_is_refused_before_weights_change(model, tmp_path, config, says):
    inner = _h5(model, tmp_path)
    with zipfile.ZipFile(tmp_path / "vit.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.write(inner, "model.weights.h5")
    assert says in refusal(model, tmp_path / "vit.keras")


def test_bundle_of_a_damaged_configuration_is_refused(model, whole, tmp_path):
    path = tmp_path / "vit.keras"
    path.write_bytes(whole["a.keras"])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    layer = next(each for each in config["config"]["layers"] if each["registered_name"] == "keras_vit>Images")
    layer["config"]["preprocessing"] = 7
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"config.json": json.dumps(config)}).items():
            archive.writestr(name, content)
    assert "can't be read as .keras" in refusal(model, path)
