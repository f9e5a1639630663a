"""Every private name of Keras that we need, each behind one function.

Beside each stands the public API that we would use instead if Keras had it. tests/test_keras_internals.py has a canary
for each, so that a release that renames one fails there, and says so.
"""


def flat_layers(model):
    """Returns every layer of `model`, nested ones too, without `model` itself.

    Wish: `keras.Model.layers(recursive=True)`.
    """
    return list(model._flatten_layers(include_self=False))


def own_variables(layer):
    """Returns the variables that `layer` itself made, without those of the layers inside it.

    Wish: `keras.Layer.own_variables`.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]
