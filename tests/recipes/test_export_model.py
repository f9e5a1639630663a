"""A model exported by the command, where it goes, and whether what is printed works."""

import base64
import json
import shlex
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit import bundle, data, serving
from keras_vit.analysis.probabilities import probabilities
from keras_vit.recipes import export_model
from keras_vit.testing import small


@pytest.fixture(scope="module")
def model():
    model = small("lenet", image_size=(37, 41), channels=3)
    bundle.update(model, preprocessing=data.Preprocessing((37, 41)), labels=[f"c{i}" for i in range(7)])
    return model


@pytest.fixture
def odd_run(model, tmp_path):
    """The folder of a finished run, whose name a shell would take apart."""
    folder = tmp_path / "my run's"
    folder.mkdir()
    for name in ("options.json", "result.json"):
        (folder / name).write_text("{}")
    model.save(folder / "best.keras")
    return folder


def export(*arguments):
    export_model.main(arguments=[str(each) for each in arguments])


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        export(*arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_a_run_is_exported_into_its_own_folder_and_what_is_printed_asks_it(odd_run, model, tmp_path, capsys):
    (odd_run / "served" / "1").mkdir(parents=True)
    (odd_run / "served" / "1" / "old").write_text("stays")
    export(odd_run)
    printed = capsys.readouterr().out
    assert f"exported to {odd_run / 'served' / '2'}\n" in printed
    assert (odd_run / "served" / "1" / "old").read_text() == "stays"
    docker = shlex.split(next(line for line in printed.splitlines() if "docker" in line))
    where, name = docker[docker.index("-v") + 1], "my-run-s"
    assert where == f"{odd_run / 'served'}:/models/{name}" and docker[-2] == f"MODEL_NAME={name}"
    asking = next(line for line in printed.splitlines() if "curl" in line)
    assert asking.endswith(f"| curl -d @- http://localhost:8501/v1/models/{name}:predict")
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (137, 141, 3), "uint8")).save(tmp_path / "FILE.jpg")
    told = subprocess.run(asking.partition("| curl")[0], shell=True, cwd=tmp_path, capture_output=True, check=True)
    body = json.loads(told.stdout)  # what a server is sent
    encoded = [base64.b64decode(each["b64"], validate=True) for each in body["instances"]]
    assert encoded == [(tmp_path / "FILE.jpg").read_bytes()]
    served = tf.saved_model.load(str(odd_run / "served" / "2"))
    signature = served.signatures[body["signature_name"]]
    (only,) = signature.structured_input_signature[1]  # a value instead of an object stands for a single input
    answer = signature(**{only: tf.constant(encoded)})
    shares = probabilities(model, data.read_images([tmp_path / "FILE.jpg"], model))[0]
    assert answer["labels"].numpy()[0].tolist() == [f"c{i}".encode() for i in np.argsort(-shares)[:5]]
    assert not any(name.endswith("_bytes") for name in answer)  # the server would answer with base64


def test_what_is_no_run_is_asked_where_to_be_exported_to(odd_run, capsys):
    assert "is no folder of a run to write into; say where to export to, as in served/1" in refused(
        capsys, odd_run / "best.keras"
    )


def test_a_version_that_is_there_is_left_alone_and_the_next_is_told(odd_run, tmp_path, capsys):
    for version in ("1", "10"):
        (tmp_path / "served" / version).mkdir(parents=True)
        (tmp_path / "served" / version / "old").write_text("stays")
    for folder in (tmp_path / "served" / "1", tmp_path / "served"):
        assert f"is not empty; export to a new folder, such as '{tmp_path}/served/11'" in refused(
            capsys, odd_run, folder
        )
    shutil.rmtree(tmp_path / "served")
    assert serving.free_version(tmp_path / "served") == tmp_path / "served" / "1"


def test_a_folder_without_a_number_is_served_as_version_1(tmp_path):
    printed = export_model.next_steps(tmp_path / "photos", "vit-b16:augreg_in1k", takes_files=False)
    assert f"{tmp_path}/photos:/models/vit-b16-augreg_in1k/1" in printed and "curl" not in printed
