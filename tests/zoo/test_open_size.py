"""A TensorFlow graph that takes images of any size computes what the model computes outside of a graph."""

import keras
import numpy as np
import pytest
from kit.skipping import needs

from keras_vit import testing

pytestmark = needs(keras.backend.backend() == "tensorflow", "only TensorFlow has such graphs")


@pytest.mark.parametrize("family", ["beit", "cait", "convmixer", "resnet", "vit"])
def test_graph_of_open_size_equals_the_model(family):
    import tensorflow as tf

    model = testing.small(family, image_size=None)
    spec = tf.TensorSpec((None, None, None, 3))
    graph = tf.function(lambda images: model(images, training=False), input_signature=[spec])
    for size in [(32, 32), (64, 64), (40, 96)]:
        images = np.random.default_rng(3).normal(size=(2, *size, 3)).astype("float32")
        expected = np.asarray(model(images, training=False))
        assert np.abs(graph(images) - expected).max() < 1e-4 * np.abs(expected).max(), size
