"""The README's way from images to a served model works as it stands there, with every family."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from keras_vit import registry

pytestmark = pytest.mark.slow
BLOCKS = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"), re.DOTALL
)


def small_of(family):
    """Returns a model's name, the options that make it the family's small configuration, and its image size."""
    found = registry.family(family)
    row, config = next(iter(found.variants.items()))
    small = found.small or config
    changed = {key: value for key, value in vars(small).items() if value != getattr(config, key)}
    fixed = ("classes", "channels", "image_size")
    return registry.join(family, row), {k: v for k, v in changed.items() if k not in fixed}, small.image_size


def run(code, folder):
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Where the digits lie prepared."""
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("family", registry.list_families())
def test_build_train_save_load_export_and_look(family, tmp_path, prepared):
    training, loading = (block for block in BLOCKS if "digits.keras" in block)
    name, options, size = small_of(family)
    places = f"model_options={options!r}, train_fraction=0.1, batch_size=32, data_dir={str(prepared)!r}"
    training = training.replace("epochs=20", f"epochs=1, warmup_epochs=0.5, {places}")
    training = training.replace('"vit-ti16"', repr(name)).replace("image_size=32", f"image_size={size!r}")
    run(training, tmp_path)
    Image.new("L", (23, 17), 200).save(tmp_path / "seven.png")
    shown = run(f"{loading}\nprint(images.shape, maps.shape, model.name)", tmp_path)
    assert shown.startswith("(1, ") and name in shown
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()
