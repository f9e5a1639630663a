"""Runnable scripts: `python -m keras_vit.recipes.train_classifier --help`."""

if __name__ != "keras_vit.recipes":
    raise ImportError(f"import keras_vit.recipes, not {__name__}: a second copy of every class would be loaded")
