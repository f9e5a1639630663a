"""Masked patches reconstructed: a task of another kind, in 60 lines."""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from keras_vit import data
from keras_vit.tasks.network import learner_of, network_of
from keras_vit.training.task import Monitor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masked:
    """A backbone sees images with patches hidden and predicts their pixels: SimMIM, Xie et al. 2022 (2111.09886)."""

    name: ClassVar[str] = "masked"
    monitor: ClassVar[Monitor] = Monitor("val_loss", "min")
    files: ClassVar[tuple[str, ...]] = ()
    hidden_fraction: float = 0.5

    def open(self, options):
        return data.open_source(options.data.name, data_dir=options.data.data_dir, targets=())

    def learner(self, options, source):
        encoder = network_of(options, source, classes=0, channels=source.channels)
        patch = encoder.input_shape[1] // encoder.output["map"].shape[1]
        pixels = keras.layers.Dense(patch**2 * source.channels, dtype="float32", name="pixels")(encoder.output["map"])
        model = keras.Model(encoder.input, pixels, name=encoder.name)
        return learner_of(model, options, lambda: keras.Model(encoder.input, encoder.output, name=encoder.name))

    def example(self, options, source, learner, training):
        grid = (*learner.network.output_shape[1:3], 1)
        decode = data.decoder({}, learner.preprocessing, options.data.augment if training else "none")

        def hide(example, seed):
            chance = tf.random.stateless_uniform(grid, tf.random.fold_in(seed, 1))
            return decode(example, seed) | {"mlp_dim": tf.cast(chance < self.hidden_fraction, "float32")}

        return hide

    def mix(self, options, source):
        return None

    def loss(self, network, batch, training):
        images, hidden = batch["image"], batch["mlp_dim"]
        patch = images.shape[1] // hidden.shape[1]
        seen = images * (1 - tf.repeat(tf.repeat(hidden, patch, 1), patch, 2))
        pixels = network(seen, training=training)
        error = tf.reduce_mean(tf.abs(pixels - tf.nn.space_to_depth(images, patch)), -1, keepdims=True)
        return tf.reduce_sum(error * hidden) / tf.maximum(tf.reduce_sum(hidden), 1.0), pixels

    def metrics(self, source, split):
        return None if split == "test" else {}  # the encoder alone predicts no pixels

    def update(self, metrics, batch, outputs):
        pass

    def preview(self, options, source, learner, batch):
        images = learner.preprocessing.denormalize(batch["image"])
        return images.round().astype("uint8"), [f"{hidden.mean():.0%} hidden" for hidden in batch["mlp_dim"]]

    def report(self, options, source, folder, metrics):
        return {}
