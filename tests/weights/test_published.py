"""Published checkpoints load by tag from a hub that may be slow, wrong or away; a local server stands in."""

import csv
import dataclasses
import hashlib
import http.server
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save

import keras_vit.zoo
from keras_vit import Classify, Options, bundle, data
from keras_vit.data import Preprocessing
from keras_vit.published import _parse
from keras_vit.tasks.network import learner_of
from keras_vit.weights import CheckpointError, fetch, published
from keras_vit.weights.sources import TORCH

HIDDEN = 100_000  # makes a file of 20 MB: the hub's client writes, and so resumes, by 10 MB
OPTIONS = f"width=24, depth=1, heads=3, mlp_dim={HIDDEN}, patch=16"
TAG, FILE = "augreg_in21k_ft_in1k", "/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors"


@pytest.fixture(scope="module")
def content():
    """The bytes of a safetensors file with timm's names for a ViT of one block and 1000 classes."""
    rng, shapes = np.random.default_rng(1), {"cls_token": (1, 1, 24), "pos_embed": (1, 197, 24)}
    shapes |= {"patch_embed.proj.weight": (24, 3, 16, 16), "patch_embed.proj.bias": (24,)}
    for name, (out, into) in {
        "attn.qkv": (72, 24),
        "attn.proj": (24, 24),
        "mlp.fc1": (HIDDEN, 24),
        "mlp.fc2": (24, HIDDEN),
    }.items():
        shapes |= {f"blocks.0.{name}.weight": (out, into), f"blocks.0.{name}.bias": (out,)}
    for name in ("blocks.0.norm1", "blocks.0.norm2", "norm"):
        shapes |= {f"{name}.weight": (24,), f"{name}.bias": (24,)}
    shapes |= {"head.weight": (1000, 24), "head.bias": (1000,)}
    return save({name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()})


class Hub(http.server.ThreadingHTTPServer):
    """Serves one file as the hub does; `behave` says how badly."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.behave, self.asked, self.file = content, "well", [], FILE
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub = self.server
        if self.path == hub.file:
            hub.asked.append((self.command, self.headers.get("Range")))
        if self.path != hub.file or hub.behave == "missing":
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        sent = hub.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(hub.content).hexdigest()}"')
        named = hub.file.split("/")[-2]
        self.send_header("X-Repo-Commit", named if len(named) == 40 else "0" * 40)
        self.send_header("Content-Length", str(len(sent)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
        self.end_headers()
        if not body:
            return
        if hub.behave == "breaks off":
            hub.behave = "well"
            self.wfile.write(sent[: len(sent) * 3 // 4])
            self.wfile.flush()
            self.connection.close()
        else:
            self.wfile.write(b"\0" * len(sent) if hub.behave == "garbage" else sent)


@pytest.fixture
def hub(content):
    hub = Hub(content)
    yield hub
    hub.shutdown()


def build(tmp_path, hub, code, **environment):
    """Runs `code` in a new process whose hub is the server; returns (what it printed, what it said of errors)."""
    endpoint = f"http://127.0.0.1:{hub.server_port}" if hub else "http://127.0.0.1:9"
    code = f"import keras_vit\nOPTIONS = dict({OPTIONS})\n" + textwrap.dedent(code)
    variables = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        "TQDM_POSITION": "-1",
        **environment,
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | variables)
    return done.stdout.strip(), done.stderr


GOOD = f"""
    import hashlib, numpy as np
    model = keras_vit.build("vit-ti16", weights="{TAG}", **OPTIONS)
    print(hashlib.sha256(np.asarray(model(np.ones((1, 224, 224, 3), "float32"))).tobytes()).hexdigest())
"""
BAD = f"""
    try:
        keras_vit.build("vit-ti16", weights="{TAG}", **OPTIONS)
    except ValueError as error:
        print(error)
"""


def test_tag_downloads_once_and_then_works_without_the_hub(tmp_path, hub):
    first, said = build(tmp_path, hub, GOOD)
    assert len(first) == 64, said
    assert "model.safetensors" in said and "%" in said  # the progress bar
    assert [command for command, _ in hub.asked].count("GET") == 1
    assert build(tmp_path, None, GOOD, HF_HUB_OFFLINE="1")[0] == first


@pytest.mark.slow
def test_download_that_breaks_off_goes_on_where_it_stopped(tmp_path, hub, content):
    hub.behave = "breaks off"
    outputs = [build(tmp_path, hub, GOOD)[0] for _ in range(2)]
    assert len(outputs[1]) == 64
    resumed = [asked for command, asked in hub.asked if command == "GET" and asked and asked != "bytes=0-"]
    assert resumed, hub.asked


@pytest.mark.slow
def test_garbage_is_noticed_by_its_checksum_and_not_kept(tmp_path, hub):
    hub.behave = "garbage"
    said, _ = build(tmp_path, hub, BAD)
    assert "came damaged (SHA-256" in said and "try again" in said
    hub.behave = "well"
    assert len(build(tmp_path, hub, GOOD)[0]) == 64


PINNED = "b" * 40


def test_checkpoint_comes_at_its_revision_and_with_its_hash(tmp_path, monkeypatch):
    hub = Hub(b"small, for nothing reads it")
    hub.file = FILE.replace("/main/", f"/{PINNED}/")
    url = f"http://127.0.0.1:{hub.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    row = dataclasses.replace(published("vit-ti16")[TAG], revision=PINNED)
    right, wrong = hashlib.sha256(hub.content).hexdigest(), "0" * 64
    assert Path(fetch(dataclasses.replace(row, sha256=right))).read_bytes() == hub.content
    with pytest.raises(CheckpointError, match=f"at '{PINNED}' is not the file that the table of {TAG} means .SHA-256"):
        fetch(dataclasses.replace(row, sha256=wrong))
    asked = len(hub.asked)
    assert Path(fetch(row)).read_bytes() == hub.content
    assert len(hub.asked) > asked  # what is not the file meant was not kept
    hub.shutdown()


def test_table_may_hold_revisions_and_hashes():
    rows = published("vit-ti16")
    assert {row.revision for row in rows.values()} == {"main"}
    for columns, expected in (({}, ("main", None)), ({"revision": PINNED, "sha256": "c" * 64}, (PINNED, "c" * 64))):
        with open(Path(keras_vit.zoo.__path__[0]) / "vit.csv", newline="") as file:
            row = _parse(next(csv.DictReader(file)) | columns)
        assert (row.revision, row.sha256) == expected


@pytest.mark.slow
def test_absent_hub_is_answered_with_a_sentence(tmp_path):
    said, _ = build(tmp_path, None, BAD)
    assert "is not in the cache and the hub can't be reached" in said and "give the file's path as weights" in said
    said, _ = build(tmp_path, None, BAD, HF_HUB_OFFLINE="1")
    assert "is not in the cache" in said


def test_file_that_the_hub_lacks_is_answered_with_a_sentence(tmp_path, hub):
    hub.behave = "missing"
    assert "model.safetensors can't be downloaded: 404" in build(tmp_path, hub, BAD)[0]


def test_other_classes_make_a_new_head_and_say_so(tmp_path, hub):
    code = f"""
        model = keras_vit.build("vit-ti16", weights="{TAG}", classes=5, **OPTIONS)
        backbone = keras_vit.build("vit-ti16", weights="{TAG}", classes=0, **OPTIONS)
        print(model.output.shape, sorted(backbone.output))
    """
    printed, said = build(tmp_path, hub, code)
    assert printed == "(None, 5) ['map', 'prefix']", said
    assert "has 1000 classes, the model 5: its head is new" in said and "left as it was" in said


def test_export_bakes_in_the_preprocessing_of_the_checkpoint(tmp_path, hub):
    code = f"""
        import tensorflow as tf, numpy as np
        import keras
        keras_vit.build("vit-ti16", weights="{TAG}", **OPTIONS).save(r"{tmp_path / "a.keras"}")
        model = keras.saving.load_model(r"{tmp_path / "a.keras"}")
        keras_vit.export(model, r"{tmp_path / "1"}")
        pixels = np.random.default_rng(0).integers(0, 256, (250, 300, 3), dtype="uint8")
        served = tf.saved_model.load(r"{tmp_path / "1"}").signatures["serving_bytes"]
        got = served(image_bytes=tf.io.encode_png(pixels)[None])["probabilities"][0, 0]
        prepared = keras_vit.preprocessing("vit-ti16", "{TAG}").prepare(tf.constant(pixels))
        print(abs(float(tf.reduce_max(tf.nn.softmax(model(prepared[None])))) - float(got)) < 1e-5)
    """
    printed, said = build(tmp_path, hub, code)
    assert printed == "True", said


def test_training_starts_with_the_preprocessing_of_the_checkpoint():
    options = Options(task=Classify()).replace(model="vit-ti16", crop=0.7)
    model = keras_vit.build("vit-ti16", depth=1, image_size=96)
    assert learner_of(model, options.replace(crop=None)).preprocessing == Preprocessing((96, 96), 3)
    for name, tag, size in (("vit-ti16", TAG, 96), ("vit-b16", "dino", 96)):
        bundle.update(model, preprocessing=published(name)[tag].preprocessing)
        learner, expected = learner_of(model, options), keras_vit.preprocessing(name, tag, image_size=size)
        assert learner.training_preprocessing == expected
        assert learner.preprocessing == dataclasses.replace(expected, crop=0.7)
        assert data.model_preprocessing(learner.finished()) == learner.preprocessing


def test_preprocessing_is_that_of_the_checkpoint():
    got = keras_vit.preprocessing("vit-b16", "dino")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert got == Preprocessing((224, 224), 3, mean, std, "bicubic", 0.9)
    assert keras_vit.preprocessing("vit-b16-384", TAG).crop == 1.0
    assert keras_vit.preprocessing("vit-b16", "dino", image_size=(96, 64)).image_size == (96, 64)
    assert keras_vit.preprocessing("vit-b16", "dino", channels=1).mean == pytest.approx(sum(mean) / 3)
    assert keras_vit.preprocessing("vit-b16") == Preprocessing((224, 224), 3)


@pytest.mark.parametrize(
    "ask", [keras_vit.preprocessing, lambda name, tag: keras_vit.build(name, weights=tag, depth=1)]
)
def test_unknown_tag_is_answered_with_the_known(ask):
    with pytest.raises(CheckpointError, match="no published checkpoint 'augreg'; it has .*augreg_in21k_ft_in1k"):
        ask("vit-ti16", "augreg")


@pytest.mark.parametrize("family", keras_vit.list_families())
def test_table_of_checkpoints_names_models_sources_and_licences(family):
    from keras_vit import registry

    known = registry.family(family)
    for row in known.variants:
        for checkpoint in published(registry.join(family, row)).values():
            assert checkpoint.source in known.sources and checkpoint.licence
            assert known.sources[checkpoint.source].layout is TORCH
            assert checkpoint.repository.count("/") == 1 and checkpoint.file.endswith(".safetensors")
            assert checkpoint.top1 is None or 60 < checkpoint.top1 < 92


def test_every_row_of_the_tables_belongs_to_a_variant():
    from keras_vit import registry

    for path in Path(keras_vit.zoo.__path__[0]).glob("*.csv"):
        with open(path, newline="") as file:
            unknown = {row["variant"] for row in csv.DictReader(file)} - set(registry.family(path.stem).variants)
        assert not unknown, f"{path.name}: {unknown}"
