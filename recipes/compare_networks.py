"""stub docstring"""

import dataclasses
from pathlib import Path

from keras_vit import counting, data
from keras_vit.recipes import train_classifier
from keras_vit.training import command_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Which networks are compared, on what, and with how much training each."""

    data: str = "digits"
    """digits, folder:PATH with one folder of images a class, or a data set of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place by default"""
    networks: tuple[str, ...] = ("MLP", "LeNet", "ResNet", "ViT", "hybrid", "Mixer")
    """which to compare"""
    image_size: int = 32
    """side in pixels that images are brought to for all networks, a multiple of 32"""
    width: int = 48
    """of the tokens of the ViT, the hybrid and the Mixer, a multiple of 16; the others are made about as large"""
    depth: int = 4
    """blocks of the ViT and the hybrid"""
    train_share: float = 1.0
    """part of the training images that the study calls 100 %"""
    shares: tuple[float, ...] = (0.1, 0.3, 1.0)
    """parts of these that are trained on, the last the largest; every training takes the same number of steps"""
    seeds: int = 3
    """trainings on the largest share, of which the spread is shown; one on each smaller share"""
    epochs: int = 30
    """over the largest share"""
    batch: int = 64
    learning_rate: float = 2e-3
    """at the end of the warm-up, a tenth of the training; it then falls to 0 as a cosine"""
    weight_decay: float = 0.05
    augment: str = "flip-crop"
    """as in train_classifier"""
    output: str = "runs/compare"
    """the folder of the study; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: remove what earlier trainings wrote to the folder"""


PRESETS = {
    "fashion": Options(data="fashion_mnist", train_share=0.1, epochs=8, output="runs/compare_fashion_mnist"),
    "cifar10": Options(data="cifar10", train_share=0.2, epochs=8, output="runs/compare_cifar10"),
    "smoke": Options(
        width=16, depth=1, shares=(0.3, 1.0), seeds=1, epochs=2, augment="affine", output="runs/compare_smoke"
    ),
}


def networks(options, channels):
    """Returns {name: (model, its options)} of networks of about as many parameters, for images of `channels`."""
    size, width = options.image_size, options.width
    tokens = {"width": width, "hidden": 2 * width, "depth": options.depth, "heads": max(1, width // 16)}
    mixing = {"width": width, "hidden": 2 * width, "depth": options.depth + 1, "token_hidden": width}
    enough = counting.count_parameters("vit-ti16", image_size=size, patch=size // 8, channels=channels, **tokens)
    known = {
        "MLP": ("mlp", {"widths": (max(8, round(enough / (size * size * channels))),) * 2}),
        "LeNet": ("lenet-5", {}),
        "ResNet": ("resnet-18", {"blocks": (1, 1, 1, 0), "width": max(4, width // 3)}),
        "ViT": ("vit-ti16", {"patch": size // 8, **tokens}),
        "hybrid": ("vit-r-ti16", {"patch": size // 32, **tokens}),
        "Mixer": ("mixer-s16", {"patch": size // 8, **mixing}),
    }
    return {name: known[name] for name in options.networks}


def training_of(options, name, network, share, seed):
    """Returns the Options of train_classifier of one training, in a folder of its own."""
    model, model_options = network
    epochs = round(options.epochs * options.shares[-1] / share)
    return train_classifier.Options(
        data=options.data,
        data_dir=options.data_dir,
        train_share=options.train_share * share,
        model=model,
        image_size=options.image_size,
        model_options=model_options,
        augment=options.augment,
        epochs=epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        warmup_epochs=epochs / 10,
        weight_decay=options.weight_decay,
        label_smoothing=0.0,  # which would move every network's confidence by the same wish
        seed=seed,
        output=str(Path(options.output) / "training" / f"{name}-{share:.0%}-seed-{seed}".replace("%", "")),
        fresh=options.fresh,
    )


def compare(options):
    source = data.open_source(options.data, data_dir=options.data_dir)
    for name, network in networks(options, source.channels).items():
        for share in options.shares:
            for seed in range(options.seeds if share == options.shares[-1] else 1):
                train_classifier.train(training_of(options, name, network, share, seed))


if __name__ == "__main__":
    command_line.run(compare, PRESETS, __doc__)
