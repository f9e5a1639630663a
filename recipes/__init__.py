"""Runnable scripts: `python -m keras_vit.recipes.train_classifier --help`."""

import sys

from keras_vit import quiet

if __name__ != "keras_vit.recipes":
    raise ImportError(f"import keras_vit.recipes, not {__name__}: a second copy of every class would be loaded")
if sys.argv[0] == "-m":  # which Python writes there until it has found the module to run: it is one of these
    quiet.start()
