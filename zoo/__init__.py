"""The model families that travel with keras_vit, one a file; each is what a plug-in of your own would be."""

if __name__ != "keras_vit.zoo":
    raise ImportError(f"import keras_vit.zoo, not {__name__}: a second copy of every family would be registered")
