"""Draws the pictures of "Understanding the Vision Transformer" (docs/understanding_vit.md).

    python -m keras_vit.recipes.draw_lessons --output docs/understanding

2 CPU cores (AMD EPYC, shared), 96 s of processor time. Of the 360 held-out digits the networks get right: ten neurons
95.6 %, LeNet-5 97.2 %, the ViT 95.3 %.

The images are the digits and the photographs that scikit-learn's wheel brings; nothing is downloaded.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

import keras_vit
from keras_vit import analysis, backend, checked, cli, files, layers, registry
from keras_vit.pictures.diagrams import block_diagram, hybrid_diagram
from keras_vit.pictures.maps import (
    convolution_picture,
    feature_maps_picture,
    looks_picture,
    receptive_fields_picture,
    weights_picture,
)
from keras_vit.pictures.similarity import similarity_picture
from keras_vit.pictures.tokens import attention_steps_picture, heads_picture, patches_picture, positions_picture
from keras_vit.taps import tap

datasets = backend.load("sklearn.datasets")
VIT = {"image_size": 32, "channels": 1, "classes": 10, "patch": 4, "width": 32, "depth": 3, "heads": 4, "mlp_dim": 64}


@checked.options
class Options:
    """What to draw with, and where."""

    output: str = "docs/understanding"
    """the folder for the pictures; those of the same names are replaced"""
    epochs: int = 24
    """over the 1,437 digits that the networks are trained on"""
    photo: int = 448
    """the side in pixels of the photographs"""
    seed: int = 0


def smoke() -> Options:
    """One epoch and small photographs, to see that everything works."""
    return Options(epochs=1, photo=96)


def draw(options):
    """Writes every picture of `PICTURES` below `options.output` and returns the paths."""
    if options.epochs < 1 or options.photo < 96:
        raise ValueError(f"epochs is 1 or more and photo 96 or more, not {options.epochs} and {options.photo}")
    folder = files.folder(options.output)
    lesson, paths = Lesson(options), []
    for name, picture in PICTURES.items():
        paths.append(folder / f"{name}.png")
        picture(lesson, paths[-1])
        print(paths[-1], flush=True)
    return paths


class Lesson:
    """The images and the trained networks that pictures share, each made when it is first asked for."""

    def __init__(self, options):
        self.options = options
        digits = datasets.load_digits()
        held_out = np.arange(len(digits.target)) % 5 == 0
        self.small = (digits.images[..., None] / 16).astype("float32")
        self.images = np.kron(self.small, np.ones((1, 4, 4, 1), "float32"))  # the 32x32 pixels that LeNet-5 takes
        self.labels = digits.target
        self.train, self.test = np.flatnonzero(~held_out), np.flatnonzero(held_out)

    @functools.cached_property
    def linear(self):
        return self.fit(keras_vit.build("mlp", widths=(), image_size=8), self.small, 1e-2)

    @functools.cached_property
    def cnn(self):
        return self.fit(self.untrained_cnn, self.images, 3e-3)

    @functools.cached_property
    def vit(self):
        return self.fit(self.untrained_vit, self.images, 3e-3)

    @property
    def untrained_cnn(self):
        keras.utils.set_random_seed(self.options.seed)
        return keras_vit.build("lenet-5")

    @property
    def untrained_vit(self):
        keras.utils.set_random_seed(self.options.seed)
        return keras_vit.build("vit-ti16", **VIT)

    def fit(self, model, images, rate):
        """Returns `model`, trained on the digits that are not held out, and prints how many of those it gets right."""
        epochs, batch = self.options.epochs, 32
        schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(self.train) // batch))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
        model.fit(images[self.train], self.labels[self.train], batch_size=batch, epochs=epochs, verbose=0)
        _, right = model.evaluate(images[self.test], self.labels[self.test], verbose=0)
        print(f"{model.name}: {right:.1%} of the held-out digits right", flush=True)
        return model

    def digit(self, label):
        """Returns the first held-out image of a digit, as a batch of one."""
        return self.images[self.test[self.labels[self.test] == label][:1]]

    def photograph(self, name):
        """Returns the middle of one of the two photographs, (photo, photo, 3) from 0 to 1."""
        image = datasets.load_sample_image(name) / 255
        left = (image.shape[1] - image.shape[0]) // 2
        square = image[:, left : left + image.shape[0]]
        size = (self.options.photo, self.options.photo)
        return keras.ops.convert_to_numpy(keras.ops.image.resize(square, size, antialias=True)).clip(0, 1)


def neuron(lesson, path):
    """Draws the weights of the ten neurons of a linear classifier."""
    weights = lesson.linear.get_layer("head").get_weights()[0]
    weights_picture(path, weights.T.reshape(10, 8, 8), [f"digit {digit}" for digit in range(10)])


def convolution(lesson, path):
    """Draws what three kernels of 3x3 numbers make of a photograph."""
    grey = lesson.photograph("china.jpg").mean(axis=2)
    grey = keras.ops.convert_to_numpy(keras.ops.image.resize(grey[..., None], (96, 96), antialias=True))[..., 0]
    sobel = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = np.stack([np.full((3, 3), 1 / 9), sobel, sobel.T])
    layer = keras.layers.Conv2D(3, 3, use_bias=False)
    layer.build((None, None, None, 1))
    layer.set_weights([kernels.transpose(1, 2, 0)[:, :, None]])
    maps = np.asarray(layer(grey[None, ..., None]))[0].transpose(2, 0, 1)
    convolution_picture(path, grey, kernels, maps, ["blur", "vertical edges", "horizontal edges"])


def feature_maps(lesson, path):
    """Draws the kernels of the first convolution of the trained CNN, and its maps of a digit."""
    kernels = lesson.cnn.get_layer("embed").get_weights()[0]
    maps = np.asarray(tap(lesson.cnn, "embed")(lesson.digit(5))["embed"])[0]
    feature_maps_picture(path, lesson.digit(5)[0], kernels[:, :, 0].transpose(2, 0, 1), maps.transpose(2, 0, 1))


def receptive_field(lesson, path):
    """Draws the pixels that the middle cell of each stage of a ResNet-18 depends on."""
    photo = lesson.photograph("flower.jpg").astype("float32")
    keras.utils.set_random_seed(lesson.options.seed)
    model = keras_vit.build("resnet-18", image_size=photo.shape[:2], classes=0)
    stages = [f"stage_{i}" for i in range(4)]
    pixels = tf.convert_to_tensor(photo[None])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pixels)
        found = tap(model, stages)(pixels, training=False)
        middles = [tf.reduce_sum(found[name][0, _half(found[name], 1), _half(found[name], 2)]) for name in stages]
    slopes = [np.abs(tape.gradient(middle, pixels)[0]).sum(axis=2) for middle in middles]
    titles = [f"stage {i}" for i in range(4)]
    receptive_fields_picture(path, photo.mean(axis=2), slopes, titles)


def attention(lesson, path):
    """Draws the three lines of attention, of one head of the trained ViT on a digit."""
    found = tap(lesson.vit, ["query_0", "key_0", "value_0"])(lesson.digit(3))
    q, k, v = (np.asarray(found[name])[0, 0] for name in ("query_0", "key_0", "value_0"))
    attention_steps_picture(path, q, k, v)


def patches(lesson, path):
    """Draws a photograph as patches and as a sequence."""
    photo = lesson.photograph("flower.jpg")
    small = np.asarray(keras.ops.image.resize(photo, (96, 96), antialias=True)).clip(0, 1)
    patches_picture(path, small, 24)


def positions(lesson, path):
    """Draws how similar the positions are that the ViT has learned."""
    positions_picture(path, lesson.vit.get_layer("position").get_weights()[0])


def block(lesson, path):
    """Draws the data flow of a block of ViT-B/16."""
    c = _config("vit-b16")
    block_diagram(path, 1 + (c.image_size // c.patch) ** 2, c.width, c.heads, c.mlp_dim)


def heads(lesson, path):
    """Draws what the class token attends to, by block and head, and the rollout up to each block."""
    names = [f"attention_{i}" for i in range(VIT["depth"])]
    found = tap(lesson.vit, names)(lesson.digit(8))
    matrices = np.stack([np.asarray(found[name])[0] for name in names]).astype("float64")
    tokens, side = matrices.shape[-1], VIT["image_size"] // VIT["patch"]
    product, rolled = np.eye(tokens), []
    for matrix in matrices.mean(axis=1):
        product = (0.5 * matrix + 0.5 * np.eye(tokens)) @ product
        rolled.append((product[0, 1:] / product[0, 1:].sum()).reshape(side, side))
    maps = matrices[:, :, 0, 1:].reshape(VIT["depth"], VIT["heads"], side, side)
    heads_picture(path, lesson.digit(8)[0], maps, np.stack(rolled))


def looks(lesson, path):
    """Draws where the CNN and the ViT look, on one held-out image of each digit."""
    images = np.concatenate([lesson.digit(label) for label in range(10)])
    seen = {
        "CNN\nGrad-CAM": analysis.attention(lesson.cnn, images, "gradcam"),
        "ViT\nrollout": analysis.attention(lesson.vit, images, "rollout"),
    }
    seen = {name: analysis.resize_maps(maps, images.shape[1:3]) for name, maps in seen.items()}
    looks_picture(path, images, seen, [str(label) for label in range(10)])


def cka(lesson, path):
    """Draws how alike the layers of the CNN and the ViT are, trained and untrained."""
    images = lesson.images[lesson.test]
    trained = analysis.cka(lesson.cnn, lesson.vit, images)
    control = analysis.cka(lesson.untrained_cnn, lesson.untrained_vit, images)
    named = (dataclasses.replace(each, models=("the CNN", "the ViT")) for each in (trained, control))
    similarity_picture(path, *named)


def hybrid(lesson, path):
    """Draws how ViT-B/16 and the hybrid on a ResNet-50 make their tokens."""
    plain, c = _config("vit-b16"), _config("vit-r50-b16")
    stride = layers.trunk_stride(c.trunk)
    assert stride == plain.patch and (c.width, c.depth) == (plain.width, plain.depth)
    channels = 64 * 4 * 2 ** (len(c.trunk) - 1)
    tokens = 1 + (c.image_size // stride) ** 2
    hybrid_diagram(path, c.image_size, stride, "ResNet-50", channels, tokens, c.width, c.depth, c.classes)


PICTURES = {
    picture.__name__: picture
    for picture in (
        neuron, convolution, feature_maps, receptive_field, attention, patches, positions, block, heads, looks, cka,
        hybrid,
    )
}  # fmt: skip


def _config(name):
    return registry.resolve(name, {})[1]


def _half(cells, axis):
    return cells.shape[axis] // 2


main = functools.partial(cli.run, draw, {"plain": Options, "smoke": smoke}, __doc__)

if __name__ == "__main__":
    main()
