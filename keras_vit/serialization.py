"""Lets Keras load a saved model in a process that has imported keras_vit and nothing of it.

Keras finds a layer's class only where its module was imported, and `import keras_vit` imports none, for Keras takes
seconds to load. So layers and heads are imported as soon as Keras is. The first layer of each model is among them and
imports the model's family, a plug-in's too, when it is read (keras_vit.bundle): only what a file needs is imported.
"""

import importlib
import sys


def register_with_keras() -> None:
    """Imports layers and heads, at once where Keras is loaded, else right after whoever imports it."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _register():
    importlib.import_module("keras_vit.layers")
    importlib.import_module("keras_vit.heads")


class _AfterKeras:
    """Finds Keras where the other finders do, and adds to its loading what follows it."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None:  # not installed: the import fails as it would
            return None
        load = spec.loader.exec_module

        def load_and_register(module):
            load(module)
            sys.meta_path.remove(self)
            _register()

        spec.loader.exec_module = load_and_register
        return spec
