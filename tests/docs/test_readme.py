"""The README's way from images to a served model works as it stands there, with every family."""

import re
import subprocess
import sys
import types
from pathlib import Path

import keras
import pytest
from PIL import Image

import keras_vit
from keras_vit import registry
from keras_vit.testing.models import randomise

pytestmark = pytest.mark.slow
BLOCKS = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"), re.DOTALL
)
# with a token for a teacher, with the averages of batch normalisation, and with windows; the contract of families has a
# step of each
TRAINED = ("deit", "resnet", "swin")


def untrained(options):
    """Returns what a training gives, but for a model of random weights, the head's too."""
    learner = options.task.learner(options, options.task.open(options))
    return types.SimpleNamespace(model=randomise(learner.finished()), rows=[])


def small_of(family):
    """Returns a model's name, the options that make it the family's small configuration, and its image size."""
    found = registry.family(family)
    row, config = next(iter(found.variants.items()))
    small = found.small or config
    changed = {key: value for key, value in vars(small).items() if value != getattr(config, key)}
    fixed = ("classes", "channels", "image_size")
    return registry.join(family, row), {k: v for k, v in changed.items() if k not in fixed}, small.image_size


def test_every_family_is_built_saved_loaded_exported_and_looked_into_and_three_are_trained(tmp_path, monkeypatch):
    training, loading = (block for block in BLOCKS if "digits.keras" in block)
    families = registry.list_families()
    for family in families:
        (tmp_path / family).mkdir()
        monkeypatch.chdir(tmp_path / family)
        Image.new("L", (23, 17), 200).save("seven.png")
        name, options, size = small_of(family)
        places = f"model_options={options!r}, train_fraction=0.1, batch_size=32, data_dir={str(tmp_path / 'data')!r}"
        code = training.replace("epochs=20", f"epochs=1, warmup_epochs=0.5, {places}")
        code = code.replace('"vit-ti16"', repr(name)).replace("image_size=32", f"image_size={size!r}")
        with monkeypatch.context() as patch:
            if family not in TRAINED:
                patch.setattr(keras_vit, "train", untrained)
            exec(code, {})
        keras.utils.clear_session()
    # one process for all: it has nothing but what the README's first lines import
    program = f"""
import os
for family in {families!r}:
    os.chdir(os.path.join({str(tmp_path)!r}, family))
    exec({loading!r})
    print(family, model.name, images.shape[0], maps.shape[0], flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == families
    for line in done.stdout.splitlines():
        family, name, *counts = line.split()
        assert name == small_of(family)[0] and counts == ["1", "1"]
        assert (tmp_path / family / "served" / "1" / "saved_model.pb").exists()
