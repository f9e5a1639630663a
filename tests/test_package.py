"""What `import keras_vit` alone gives."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_vit

USED = """
import sys
import keras_vit
assert not {"keras", "tensorflow", "matplotlib"} & set(sys.modules)
assert set(MODULES) <= set(dir(keras_vit))
assert not {"keras", "tensorflow", "matplotlib"} & set(sys.modules)
keras_vit.analysis.attention, keras_vit.bundle.of, keras_vit.data.read_images, keras_vit.heads.classify
keras_vit.layers.PatchEmbed, keras_vit.models.model_of, keras_vit.outputs.with_logits, keras_vit.taps.tap
keras_vit.pictures.attention_picture, keras_vit.testing.small, keras_vit.weights.Report
assert keras_vit.weights.load_weights is keras_vit.load_weights
"""
MODULES = (
    "analysis", "bundle", "data", "heads", "layers", "models", "outputs", "pictures", "taps", "testing", "weights",
)  # fmt: skip


def test_modules_are_there_after_import_alone_and_nothing_is_loaded_before_their_use():
    code = f"MODULES = {MODULES!r}\n{USED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_nothing_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'keras_vit' has no attribute 'analyses'"):
        keras_vit.analyses  # noqa: B018


def test_type_checkers_see_what_is_loaded_on_use():
    tree = ast.parse(Path(keras_vit.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    seen = {
        alias.asname: node.module if alias.name != "keras" else ""
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == dict.fromkeys(MODULES, "keras_vit") | keras_vit._LOADED_ON_USE
