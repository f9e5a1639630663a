"""Compares an MLP, LeNet, ResNet, ViT, hybrid and Mixer: trained alike on the same images, then asked what they do.

    keras-vit compare --preset fashion
    keras-vit compare --preset cifar10
    keras-vit compare --data folder:photos --augment flip-crop --output runs/photos

Writes one HTML file that needs nothing else, and the same as Markdown: accuracy, calibration, the worth of more images,
what corruptions, hidden and shuffled patches do, where the networks look, how far their attention reaches, what a cell
sees, and how alike their layers are; for each a picture, the numbers, and a sentence that says what was measured.
Both presets take a fifth of the images and networks of about 80 thousand parameters, so that 2 CPU cores do: "fashion"
took them 30 minutes, "cifar10" 32, with 30 trainings each, two at a time, and what is measured.
What was found: docs/compare_networks.md.
"""

import functools

from keras_vit import cli
from keras_vit.studies.networks import compare as study
from keras_vit.studies.networks.options import Options
from keras_vit.training.train import train


def fashion() -> Options:
    """A fifth of Fashion-MNIST."""
    return Options(data="fashion_mnist", train_fraction=0.2, epochs=6, processes=2, output="runs/compare_fashion_mnist")


def cifar10() -> Options:
    """A fifth of CIFAR-10."""
    return Options(data="cifar10", train_fraction=0.2, epochs=8, processes=2, output="runs/compare_cifar10")


def smoke() -> Options:
    """A minute on the digits, to see that everything works; the result means nothing."""
    return Options(
        width=16,
        depth=1,
        shares=(0.5, 1.0),
        seeds=1,
        epochs=2,
        augment="affine",
        images=96,
        networks=("MLP", "ResNet", "ViT", "hybrid", "Mixer"),
        output="runs/compare_smoke",
    )


PRESETS = {"fashion": fashion, "cifar10": cifar10, "smoke": smoke}


def compare(options):
    """Trains what isn't trained yet, measures, and writes the report; returns its path."""
    return study.compare(options, train)


main = functools.partial(cli.run, compare, PRESETS, __doc__)

if __name__ == "__main__":
    main()
