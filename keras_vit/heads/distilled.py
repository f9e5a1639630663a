"""Image classification by two heads, one of which learned from a teacher."""

import keras

from keras_vit.heads.classify import check_classes
from keras_vit.heads.linear import HEADS, LinearHead

OUTPUTS = ("mean", "both", "head")


def classify_distilled(backbone: keras.Model, classes: int, outputs: str = "mean", dropout: float = 0.0) -> keras.Model:
    """Returns `backbone` followed by a classifier of each of its first two prefix tokens, in float32.

    Touvron et al. 2021 (arXiv 2012.12877): the class token learns from the labels, the distillation
    token from a teacher. `outputs` "mean" gives the mean of their logits (B, classes), as inference
    wants it; "both" gives {"head", "head_dist"}, each (B, classes), for a loss on each. The weights are
    the same, in the same order. "head" has the class token's classifier alone, as transformers fine-tunes. With 0
    classes the backbone itself is returned.
    """
    classes = check_classes(classes)
    if outputs not in OUTPUTS:
        raise ValueError(f"the outputs of two heads are {', '.join(map(repr, OUTPUTS))}, not {outputs!r}")
    if classes == 0:
        return backbone
    prefix = backbone.output["prefix"]
    logits = {}  # by layer; Keras orders layers by the sorted keys of a model's outputs
    for i, name in enumerate(HEADS[:1] if outputs == "head" else HEADS):
        x = prefix[:, i]
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
        logits[name] = LinearHead(classes, reads="token", token=i, name=name)(x)
    if outputs == "head":
        (logits,) = logits.values()
    if outputs == "mean":
        logits = keras.layers.Average(dtype="float32", name="logits")(list(logits.values()))
    return keras.Model(backbone.input, logits, name=backbone.name)
