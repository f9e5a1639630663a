"""Image classification."""

import keras

from keras_vit.heads.linear import POOLS, LinearHead
from keras_vit.layers.norm import LayerNormalization


def classify(
    backbone: keras.Model, classes: int, pool: str = "mean", dropout: float = 0.0, norm: bool = False
) -> keras.Model:
    """Returns `backbone` followed by a linear classifier, whose output is the logits (B, classes) in float32.

    `pool` "token" reads the first prefix token, "mean" the mean of the map's cells; with
    `norm` a layer normalisation "fc_norm" follows the pooling. With 0 classes the
    backbone itself is returned. Raises ValueError for another `pool`, and for "token" where the backbone has none.
    """
    classes = check_classes(classes)
    if pool not in POOLS:
        raise ValueError(f"pool is one of {', '.join(POOLS)}, not {pool!r}")
    if classes == 0:
        return backbone
    features = backbone.output
    if pool == "token":
        if "prefix" not in features:
            raise ValueError(f"{backbone.name} has no token to pool; use pool='mean'")
        x = features["prefix"][:, 0]
    else:
        x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(features["map"])
    if norm:
        x = LayerNormalization(epsilon=1e-6, name="fc_norm")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    return keras.Model(backbone.input, LinearHead(classes, reads=pool, name="head")(x), name=backbone.name)


def check_classes(classes: int) -> int:
    """Returns `classes` as an int; ValueError unless it is a number of classes, or 0."""
    if not hasattr(classes, "__index__") or isinstance(classes, bool) or classes < 0:
        raise ValueError(f"classes is an int, 0 for no head, not {classes!r}")
    return int(classes)
