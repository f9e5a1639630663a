"""Names, overrides and plug-ins: what the registry finds, and what it says when it can't."""

import dataclasses
import fnmatch
import subprocess
import sys
import textwrap

import pytest

import keras_vit
from keras_vit import ZooError, registry

GOOD = """
    from dataclasses import dataclass
    import keras
    from keras_vit import heads, layers, register

    @dataclass(frozen=True, kw_only=True)
    class Swallow:
        width: int
        image_size: int | tuple[int, int] | None = 16
        channels: int = 3
        classes: int = 1000

    @register({"s": Swallow(width=5), "m": Swallow(width=7)})
    def swallow(c):
        images, x = layers.image_input(c.image_size, c.channels, multiple=4)
        cells = layers.PatchEmbed(c.width, 4, name="embed")(x)
        return heads.classify(keras.Model(images, {"map": cells}, name="swallow"), c.classes)
"""
PLUGINS = {  # distribution: (family that it offers, module, source)
    "plug-good": ("swallow", "plug_good", GOOD),
    "plug-broken": ("crow", "plug_broken", "import a_module_that_is_nowhere"),
    "plug-dup": ("vit", "plug_dup", GOOD.replace("swallow", "vit")),
    "plug-empty": ("wren", "plug_empty", "VARIANTS = {}"),
}


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder into which pip has installed the four plug-ins."""
    sources, target = tmp_path_factory.mktemp("plugins"), tmp_path_factory.mktemp("site")
    for distribution, (family, module, source) in PLUGINS.items():
        folder = sources / distribution
        folder.mkdir()
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        (folder / "setup.cfg").write_text(
            f"[metadata]\nname = {distribution}\nversion = 0.3\n[options]\npy_modules = {module}\n"
            f"[options.entry_points]\nkeras_vit.zoo =\n    {family} = {module}\n"
        )
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        )
    folders = [str(sources / distribution) for distribution in PLUGINS]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(target), *folders], check=True)
    return target


def run(code, path=None):
    """Runs `code` in a new Python that finds the plug-ins in `path`; returns what it printed."""
    code = f"import sys; sys.path.append({str(path)!r})\n" * (path is not None) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_neither_keras_nor_a_backend():
    code = (
        "import sys, keras_vit; keras_vit.list_families(); print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    assert run(code) == "set()"


def test_families_of_the_zoo_and_of_plug_ins_are_listed_without_loading_them(installed):
    listed = run("import keras_vit; print(*keras_vit.list_families())", installed).split()
    assert {"vit", "resnet", "lenet", "mlp", "swallow", "crow", "wren"} <= set(listed)


@pytest.mark.slow
def test_good_plug_in_builds_keeps_the_contract_and_leaves_the_others_working(installed):
    code = """
        import keras_vit
        from keras_vit.testing import check_family
        print(keras_vit.list_models("swallow-*"), keras_vit.build("swallow-m", classes=3).output.shape)
        check_family("swallow", {"swallow-s": 4 * 4 * 3 * 5 + 5 + 5 * 1000 + 1000})
        print(keras_vit.build("lenet-5").name)
    """
    assert run(code, installed).split("\n") == ["['swallow-m', 'swallow-s'] (None, 3)", "lenet-5"]


@pytest.mark.slow
def test_contract_test_of_a_plug_in_can_fail(installed):
    code = """
        from keras_vit.testing import check_family
        try:
            check_family("swallow", {"swallow-s": 1})
        except AssertionError as error:
            print(error)
    """
    assert run(code, installed) == "swallow-s has 6,245 trainable weights, not 1"


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ("crow", ["plug_broken", "plug-broken 0.3", "a_module_that_is_nowhere", "update or uninstall"]),
        ("vit", ["keras_vit.zoo.vit (keras-vit-zoo)", "plug_dup (plug-dup 0.3)", "uninstall one"]),
        ("wren", ["plug_empty (plug-empty 0.3)", "registers no such family", "wren(config)"]),
    ],
)
def test_bad_plug_in_is_an_error_only_when_it_is_asked_for(installed, family, says):
    code = f"""
        import keras_vit
        print(keras_vit.build("mlp").name)
        for ask in (lambda: keras_vit.build("{family}-b16"), lambda: keras_vit.build("{family}-b16")):
            try:
                ask()
            except keras_vit.ZooError as error:
                print(error)
    """
    built, first, again = run(code, installed).split("\n")
    assert built == "mlp"
    assert all(word in first for word in says), first
    assert again == first


def test_list_models_warns_of_each_bad_plug_in_and_lists_the_rest(installed):
    code = """
        import warnings, keras_vit
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            names = keras_vit.list_models()
        told = [str(w.message) for w in caught if "plug" in str(w.message)]
        print(len(told), "swallow-s" in names, "lenet-5" in names, any(n.startswith("vit-") for n in names))
    """
    assert run(code, installed) == "3 True True False"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    classes: int = 1


def test_decorator_alone_registers_and_registers_again(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    def finch(config):
        raise AssertionError("it is not built here")

    for row in ("first", "second"):  # as a notebook's cell that is run again
        keras_vit.register({row: Config()})(finch)
    assert keras_vit.list_models("finch-*") == ["finch-second"]


def test_family_registered_under_a_name_that_is_taken_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    def lenet(config):
        raise AssertionError("it is not built here")

    keras_vit.register({"5": Config()})(lenet)
    with pytest.raises(ZooError, match=r"test_registry \(registered by hand\)"):
        keras_vit.build("lenet-5")


@pytest.mark.parametrize("variants", [{}, {"a": 1}, {"a": Config}])
def test_table_without_configurations_is_refused(variants):
    with pytest.raises(ZooError, match=r"empty table|not a dataclass instance"):
        keras_vit.register(variants)(lambda config: None)


@pytest.mark.parametrize(
    ("name", "overrides", "says"),
    [
        ("vti-b16", {}, r"no family 'vti' \(did you mean 'vit'\?\); the families are .*resnet"),
        ("vit-b16", {"hidden": 8}, r"vit-b16 has no option 'hidden' \(it is called 'mlp_dim' now\); it has width"),
        ("vit-b61", {}, r"no model 'vit-b61' \(did you mean 'vit-b16'\?\); vit comes as vit-ti16"),
        ("vit", {}, "no model 'vit'"),
        ("vit-b16", {"clases": 10}, r"no option 'clases' \(did you mean 'classes'\?\); it has width"),
        ("vit-b16", {"num_classes": 10}, r"no option 'num_classes' \(it is called 'classes' here\); it has width"),
        ("vit-b16", {"drop_path_rate": 0.1}, r"\(it is called 'drop_path' here\)"),
        ("vit-b16", {"img_size": 96}, r"\(it is called 'image_size' here\)"),
        ("swin-t", {"depths": (2, 2)}, r"\(it is called 'blocks' here\)"),
        ("vit-b16", {"pretrained": True}, r"no option 'pretrained' \(weights='TAG' or 'FILE' gives it weights\)"),
        ("resnet-50", {"include_top": False}, r"\(classes=0 builds the backbone, without a head\)"),
        ("resnet-50", {"input_shape": (96, 96, 3)}, r"\(image_size=\(height, width\) and channels= say what it takes"),
        (16, {}, "named by a string such as 'vit-b16', not by 16"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_known(name, overrides, says):
    with pytest.raises(ZooError, match=says):
        keras_vit.build(name, **overrides)


@pytest.mark.parametrize(
    ("pattern", "some"),
    [
        ("*-384", {"vit-b16-384", "swin-l-384", "deit-b16-distilled-384"}),
        ("*384", {"vit-r50-l32-384", "cait-m36-384"}),
        ("*clip*", {"vit-b16-clip", "vit-l14-clip"}),
        ("v*6", {"vit-b16", "vit-r-ti16"}),
        ("?it-b16", {"vit-b16"}),
        ("[dv]*it-b16", {"vit-b16", "deit-b16"}),
        ("mlp", {"mlp"}),
    ],
)
def test_a_wildcard_may_stand_anywhere(pattern, some):
    every = [name for name in keras_vit.list_models() if fnmatch.fnmatchcase(name, pattern)]
    assert keras_vit.list_models(pattern) == every and some <= set(every)


def test_wildcard_lists_models():
    assert keras_vit.list_models("resnet-1*") == ["resnet-101", "resnet-152", "resnet-18"]
    assert keras_vit.list_models("nothing-*") == []


def test_a_second_copy_of_the_zoo_is_refused():
    code = "import sys, keras_vit.zoo; sys.path.insert(0, keras_vit.zoo.__path__[0] + '/..'); import zoo"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "import keras_vit.zoo, not zoo" in done.stderr


@pytest.mark.parametrize(
    ("missing", "line"),
    [("tensorflow", "pip install 'keras-vit-zoo[tf-cpu]'"), ("jax", "pip install 'keras-vit-zoo[jax]'")],
)
def test_missing_backend_is_answered_with_the_line_to_type(missing, line):
    code = f"""
        import os, sys
        os.environ["KERAS_BACKEND"] = "{missing}"

        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name == "{missing}":
                    raise ModuleNotFoundError("No module named '{missing}'", name="{missing}")

        sys.meta_path.insert(0, Hidden())
        import keras_vit
        assert "vit" in keras_vit.list_families()
        try:
            keras_vit.build("vit-b16")
        except ImportError as error:
            print(error)
    """
    assert line in run(code)
