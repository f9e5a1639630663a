"""Presets of classification: small data from scratch, the recipes of papers, and fine-tuning.

A preset is a function; its docstring says where its numbers are from and what it reached, and --help shows it.
"""

from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets.papers import PAPERS
from keras_vit.training.options import Options


def plain() -> Options[Classify]:
    """The defaults: AdamW, a cosine with warm-up, no augmentation: what to start from for data of your own."""
    return Options(task=Classify()).replace(output="runs/classifier")


# Photos of your own, a few dozen to a few thousand; give --data


def photos() -> Options[Classify]:
    """A few dozen to a few thousand photos of your own, from scratch on 2 CPU cores: give --data.

    From 60 photos of CIFAR-10, 20 each of airplanes, dogs and frogs, of which it trains on 46: 64.9 % of 900 others,
    where chance gives 33.3 %, after 1.0 minute of processor time; one draw of the photos. Trained on 53 of them it
    reached 67.9 %, a ResNet-18 of width 16 66.3 %, and the network of the preset cifar10 at 32 pixels 65.4 %, which is
    no difference from one draw. A stem of three convolutions (Xiao et al. 2021, arXiv 2106.14881) makes 16 tokens of
    64 x 64 pixels; the other numbers were chosen here.
    """
    return plain().replace(
        data="folder:photos",
        image_size=64,
        model_options={"stem": (24, 48, 96), "patch": 2, "width": 96, "depth": 4, "heads": 3, "mlp_dim": 192},
        augment="random-resized-crop",
        epochs=60,
        output="runs/photos",
    )


def photos_finetune() -> Options[Classify]:
    """A few dozen to a few thousand photos of your own, from a pretrained ViT-S/16 of 22 million weights: give --data.

    The recipe is that of the preset finetune, with a network a quarter as large, which a laptop trains. Not measured
    yet.
    """
    return finetune().replace(model="vit-s16", output="runs/photos-finetune")


# Small data, from scratch


def digits() -> Options[Classify]:
    """1,797 handwritten digits of 8 x 8 pixels, from scratch in about a minute.

    98.3 % of the 360 test images, after 2.4 minutes of processor time. The numbers were chosen here.
    """
    return plain().replace(
        image_size=16,  # twice what they are, so that turning and shifting them by parts of a pixel blurs less
        model_options={"patch": 4, "width": 48, "depth": 4, "heads": 4, "mlp_dim": 192},
        augment="affine",
        epochs=50,
        batch_size=32,
        learning_rate=2e-3,
        output="runs/digits",
    )


def smoke() -> Options[Classify]:
    """Seconds of training on the digits, to see that everything works; its result means nothing."""
    return digits().replace(
        image_size=8,
        batch_size=64,
        model_options={"patch": 4, "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32, "dropout": 0.1},
        epochs=2,
        warmup_epochs=0.5,
        output="runs/smoke",
    )


def fashion_mnist() -> Options[Classify]:
    """60,000 grey images of clothes of 28 x 28 pixels, from scratch on 2 CPU cores.

    90.3 % of the 10,000 test images, after 18 minutes of processor time. A convolutional stem (Xiao
    et al. 2021, arXiv 2106.14881) and 16 tokens; the other numbers were chosen here.
    """
    return plain().replace(
        data="fashion_mnist",
        image_size=32,
        model_options={"stem": (32, 64), "patch": 2, "width": 64, "depth": 4, "heads": 2, "mlp_dim": 128},
        epochs=10,
        batch_size=128,
        learning_rate=2e-3,
        warmup_epochs=1.0,
        output="runs/fashion-mnist",
    )


def cifar10() -> Options[Classify]:
    """60,000 colour images of 32 x 32 pixels in 10 classes, from scratch on 2 CPU cores.

    71.0 % of the 10,000 test images, stored as JPEG, after 22 minutes of processor time. A convolutional stem
    (Xiao et al. 2021, arXiv 2106.14881) and 16 tokens; the other numbers were chosen here.
    """
    return plain().replace(
        data="cifar10",
        image_size=32,
        model_options={"stem": (32, 64), "patch": 2, "width": 96, "depth": 4, "heads": 3, "mlp_dim": 192},
        augment="flip-crop",
        epochs=15,
        batch_size=128,
        learning_rate=2e-3,
        warmup_epochs=1.0,
        output="runs/cifar10",
    )


def cifar10_gpu() -> Options[Classify]:
    """The same for one GPU: a larger network, longer, with the regularisation that it then needs. Not run yet."""
    return cifar10().replace(
        model_options={
            "stem": (64, 128),
            "patch": 1,
            "width": 256,
            "depth": 8,
            "heads": 8,
            "mlp_dim": 512,
            "drop_path": 0.1,
        },
        mixup=0.8,
        cutmix=1.0,
        random_erasing=0.25,
        epochs=200,
        warmup_epochs=10.0,
        learning_rate=1e-3,
        ema=0.999,
        precision="bfloat16",
        output="runs/cifar10-gpu",
    )


# Fine-tuning of a published checkpoint; give --data


def finetune() -> Options[Classify]:
    """All of a pretrained ViT-B/16 for classes of your own: give --data, and any --image-size.

    Layers learn more slowly towards the pixels, by 0.75 each (Bao et al. 2021, BEiT, arXiv 2106.08254), after an epoch
    of the head alone (Kumar et al. 2022, arXiv 2202.10054); the other numbers were chosen here. Start with the
    preset probe, which tells in minutes what the features are worth.
    """
    return plain().replace(
        data="folder:photos",
        model="vit-b16",
        weights="augreg_in21k_ft_in1k",
        model_options={"drop_path": 0.1},
        augment="random-resized-crop",
        head_epochs=1.0,
        epochs=20,
        largest_batch=64,
        learning_rate=5e-4,
        layer_decay=0.75,
        weight_decay=0.05,
        clip_norm=1.0,
        output="runs/finetune",
    )


def probe() -> Options[Classify]:
    """The head alone on frozen features of a pretrained ViT-B/16: a linear probe; give --data.

    Without decay and smoothing, as logistic regression (Kolesnikov et al. 2019, arXiv 1901.09005); numbers chosen here.
    """
    return finetune().replace(
        model_options={},
        augment="none",
        freeze="head",
        head_epochs=0.0,
        learning_rate=1e-3,
        layer_decay=1.0,
        weight_decay=0.0,
        label_smoothing=0.0,
        output="runs/probe",
    )


def lora() -> Options[Classify]:
    """Matrices of rank 8 beside the attention of a pretrained ViT-B/16, and the head; give --data.

    Hu et al. 2021 (arXiv 2106.09685) take ranks of 4 to 8 and rates some ten times those of full fine-tuning; the kept
    model has them added to its kernels.
    """
    return finetune().replace(
        model_options={},
        lora=8,
        head_epochs=0.0,
        learning_rate=2e-3,
        layer_decay=1.0,
        weight_decay=0.0,
        output="runs/lora",
    )


_OWN = (plain, photos, photos_finetune)
_SMALL = (digits, smoke, fashion_mnist, cifar10, cifar10_gpu)
PRESETS = {make.__name__.replace("_", "-"): make for make in (*_OWN, *_SMALL, *PAPERS, finetune, probe, lora)}
