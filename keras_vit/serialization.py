"""Lets Keras load a saved model in a process that has imported keras_vit and nothing of it.

Keras finds a layer's class only where its module was imported, and `import keras_vit` imports none, for Keras takes
seconds to load. So the modules of what files may hold are imported as soon as Keras is. The first layer of each model
is among them and imports the model's family, a plug-in's too, when it is read (keras_vit.bundle).
"""

import importlib
import sys
from collections.abc import Sequence


def register_with_keras(modules: Sequence[str]) -> None:
    """Imports `modules`, at once if Keras is loaded, else right after whoever imports it."""
    if "keras" in sys.modules:
        _import(modules)
    else:
        sys.meta_path.insert(0, _AfterKeras(modules))


def _import(modules):
    for name in modules:
        importlib.import_module(name)


class _AfterKeras:
    """Finds Keras where the other finders do, and adds to its loading what follows it."""

    def __init__(self, modules):
        self.modules = modules

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
            _import(self.modules)

        spec.loader.exec_module = load_and_register
        return spec
