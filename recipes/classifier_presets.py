"""The presets of train_classifier: small data from scratch, the recipes of the papers, and fine-tuning.

`python -m keras_vit.recipes.train_classifier --preset NAME --help` shows the text of one.
"""

import dataclasses
import inspect

from keras_vit.training.options import Options

PRESETS = {}  # name: Options
ABOUT = {}  # name: what it is, where its numbers are from, what it reached


def preset(name):
    """Adds what the decorated function returns to `PRESETS`, and its docstring to `ABOUT`."""

    def add(make):
        PRESETS[name], ABOUT[name] = make(), inspect.getdoc(make)
        return make

    return add


@preset("plain")
def plain():
    """the defaults. AdamW, a cosine with warm-up, no augmentation: what to start from for data of your own."""
    return Options()


# Small data, from scratch


@preset("digits")
def digits():
    """1,797 handwritten digits of 8 x 8 pixels, from scratch in about a minute.

    98.9 % of the 360 test images, 98.6 and 98.3 % with --seed 1 and 2, in 63 s on 2 CPU cores. The numbers were
    chosen here.
    """
    return Options(
        image_size=16,  # twice what they are, so that turning and shifting them by parts of a pixel blurs less
        model_options={"patch": 4, "width": 48, "depth": 4, "heads": 4, "hidden": 192},
        augment="affine",
        epochs=50,
        batch=32,
        learning_rate=2e-3,
        output="runs/digits",
    )


@preset("smoke")
def smoke():
    """seconds of the digits, to see that everything works; what it reaches means nothing."""
    return dataclasses.replace(
        digits(),
        image_size=8,
        batch=64,
        model_options={"patch": 4, "width": 16, "depth": 1, "heads": 2, "hidden": 32, "dropout": 0.1},
        epochs=2,
        warmup_epochs=0.5,
        output="runs/smoke",
    )


@preset("fashion-mnist")
def fashion_mnist():
    """60,000 grey images of clothes of 28 x 28 pixels, from scratch on 2 CPU cores.

    A convolutional stem (Xiao et al. 2021, arXiv 2106.14881) and 49 tokens; the other numbers were chosen here.
    """
    return Options(
        data="fashion_mnist",
        image_size=28,
        model_options={"stem": (32,), "patch": 2, "width": 48, "depth": 4, "heads": 4, "hidden": 96, "drop_path": 0.05},
        augment="flip-crop",
        epochs=12,
        batch=128,
        learning_rate=2e-3,
        warmup_epochs=1.0,
        output="runs/fashion-mnist",
    )


@preset("cifar10")
def cifar10():
    """60,000 colour images of 32 x 32 pixels in 10 classes, from scratch on 2 CPU cores.

    A convolutional stem (Xiao et al. 2021, arXiv 2106.14881) and 64 tokens; the other numbers were chosen here.
    """
    return Options(
        data="cifar10",
        image_size=32,
        model_options={"stem": (32, 64), "patch": 1, "width": 64, "depth": 4, "heads": 4, "hidden": 128},
        augment="flip-crop",
        epochs=12,
        batch=128,
        learning_rate=2e-3,
        warmup_epochs=1.0,
        output="runs/cifar10",
    )


@preset("cifar10-gpu")
def cifar10_gpu():
    """the same for one GPU: a larger network, longer, with the regularisation that it then needs. Not run yet."""
    return dataclasses.replace(
        cifar10(),
        model_options={
            "stem": (64, 128),
            "patch": 1,
            "width": 256,
            "depth": 8,
            "heads": 8,
            "hidden": 512,
            "drop_path": 0.1,
        },
        mixup=0.8,
        cutmix=1.0,
        erasing=0.25,
        epochs=200,
        warmup_epochs=10.0,
        learning_rate=1e-3,
        ema=0.999,
        precision="bfloat16",
        output="runs/cifar10-gpu",
    )


# The recipes of the papers, for ImageNet on accelerators; none was run here to its end


@preset("augreg")
def augreg():
    """ViT-S/16 as Steiner et al. 2021 train on ImageNet, "How to train your ViT?" (arXiv 2106.10270).

    Their section 3 and the recipe "medium1" of their code: batch 4,096, Adam with decoupled decay 0.03 to 0.1, 10,000
    steps of warm-up (32 of 300 epochs), gradients clipped at 1, RandAugment of 2 operations and mixup 0.2,
    dropout and stochastic depth 0.1. Here RandAugment ends at magnitude 10, where theirs goes on to 15.
    """
    return Options(
        data="imagenet2012",
        model="vit-s16",
        model_options={"dropout": 0.1, "drop_path": 0.1},
        augment="randaugment-10",
        mixup=0.2,
        epochs=300,
        batch=4096,
        learning_rate=1e-3,
        warmup_epochs=32.0,
        weight_decay=0.1,
        clip_norm=1.0,
        label_smoothing=0.0,
        precision="bfloat16",
        output="runs/augreg",
    )


@preset("deit")
def deit():
    """DeiT-S as Touvron et al. 2021 train it on ImageNet (arXiv 2012.12877): 79.9 % in the paper.

    Their table 9: 300 epochs, batch 1,024, AdamW at 5e-4 x batch / 512, decay 0.05, 5 epochs of warm-up, label smoothing
    0.1, stochastic depth 0.1, RandAugment 9/0.5, mixup 0.8, cutmix 1.0, erasing 0.25, each image 3 times. The moving
    average, 0.99996, is that of their code. `--teacher` with --model deit-s16-distilled adds the distillation.
    """
    return Options(
        data="imagenet2012",
        model="deit-s16",
        model_options={"drop_path": 0.1},
        crop=0.875,
        augment="randaugment-9",
        mixup=0.8,
        cutmix=1.0,
        erasing=0.25,
        repeats=3,
        epochs=300,
        batch=1024,
        learning_rate=1e-3,
        warmup_epochs=5.0,
        weight_decay=0.05,
        ema=0.99996,
        precision="bfloat16",
        output="runs/deit",
    )


@preset("deit3")
def deit3():
    """DeiT III-S as Touvron, Cord and Jégou 2022 train it on ImageNet (arXiv 2204.07118): 81.4 % in the paper.

    Their table 1 and the commands of their code: 800 epochs, batch 2,048, LAMB at 4e-3, decay 0.05, 5 epochs of warm-up,
    binary cross-entropy without smoothing, stochastic depth 0.05, 3-Augment, mixup 0.8, cutmix 1.0, each image 3
    times, gradients clipped at 1.
    """
    return Options(
        data="imagenet2012",
        model="deit3-s16",
        model_options={"drop_path": 0.05},
        crop=1.0,
        augment="three-augment",
        mixup=0.8,
        cutmix=1.0,
        repeats=3,
        epochs=800,
        batch=2048,
        optimizer="lamb",
        learning_rate=4e-3,
        warmup_epochs=5.0,
        weight_decay=0.05,
        clip_norm=1.0,
        loss="sigmoid",
        label_smoothing=0.0,
        precision="bfloat16",
        output="runs/deit3",
    )


@preset("convnext")
def convnext():
    """ConvNeXt-T as Liu et al. 2022 train it on ImageNet (arXiv 2201.03545): 82.1 % in the paper.

    Their table 5: 300 epochs, batch 4,096, AdamW at 4e-3, decay 0.05, 20 epochs of warm-up, label smoothing 0.1, stochastic
    depth 0.1, RandAugment 9/0.5, mixup 0.8, cutmix 1.0, erasing 0.25, moving average 0.9999.
    """
    return Options(
        data="imagenet2012",
        model="convnext-t",
        model_options={"drop_path": 0.1},
        crop=0.875,
        augment="randaugment-9",
        mixup=0.8,
        cutmix=1.0,
        erasing=0.25,
        epochs=300,
        batch=4096,
        learning_rate=4e-3,
        warmup_epochs=20.0,
        weight_decay=0.05,
        ema=0.9999,
        precision="bfloat16",
        output="runs/convnext",
    )


def _strikes_back(name, **options):
    return Options(
        data="imagenet2012",
        model="resnet-50",
        crop=0.95,
        cutmix=1.0,
        batch=2048,
        optimizer="lamb",
        warmup_epochs=5.0,
        loss="sigmoid",
        target_threshold=0.2,
        precision="bfloat16",
        output=f"runs/resnet-{name}",
        **options,
    )


@preset("resnet-a1")
def resnet_a1():
    """ResNet-50 by procedure A1 of Wightman, Touvron and Jégou 2021, "ResNet strikes back" (arXiv 2110.00476).

    80.4 % in the paper. Their table 2: 600 epochs, batch 2,048, LAMB at 5e-3, decay 0.01, label smoothing 0.1, each image 3
    times, RandAugment 7/0.5, mixup 0.2, cutmix 1.0, binary cross-entropy of the classes that are in the mixed image,
    seen with 95 % of the shorter side. Their stochastic depth of 0.05 is left out: the zoo's ResNet has none.
    """
    return _strikes_back(
        "a1", augment="randaugment-7", mixup=0.2, repeats=3, epochs=600, learning_rate=5e-3, weight_decay=0.01
    )


@preset("resnet-a2")
def resnet_a2():
    """ResNet-50 by procedure A2 of "ResNet strikes back" (arXiv 2110.00476): 79.8 % in the paper.

    Their table 2; against A1: 300 epochs, decay 0.02, mixup 0.1, no label smoothing.
    """
    return _strikes_back(
        "a2",
        augment="randaugment-7",
        mixup=0.1,
        repeats=3,
        epochs=300,
        learning_rate=5e-3,
        weight_decay=0.02,
        label_smoothing=0.0,
    )


@preset("resnet-a3")
def resnet_a3():
    """ResNet-50 by procedure A3 of "ResNet strikes back" (arXiv 2110.00476): 78.1 % in the paper.

    Their table 2; against A2: 100 epochs on images of 160 pixels, LAMB at 8e-3, RandAugment 6/0.5, every image once.
    The paper measures at 224 pixels, where it is better; here a run is measured at the size it was trained at.
    """
    return _strikes_back(
        "a3",
        image_size=160,
        augment="randaugment-6",
        mixup=0.1,
        epochs=100,
        learning_rate=8e-3,
        weight_decay=0.02,
        label_smoothing=0.0,
    )


# Fine-tuning of a published checkpoint; give --data


@preset("finetune")
def finetune():
    """all of a pretrained ViT-B/16 for classes of your own: give --data, and any --image-size.

    Layers learn more slowly towards the pixels, by 0.75 each (Bao et al. 2021, BEiT, arXiv 2106.08254; Clark et al. 2020),
    after an epoch of the head alone (Kumar et al. 2022, arXiv 2202.10054); augmentation and rates are those of BEiT's
    fine-tuning, shortened. Start with `probe`, which tells in minutes what the features are worth.
    """
    return Options(
        data="folder:photos",
        model="vit-b16",
        weights="augreg_in21k_ft_in1k",
        model_options={"drop_path": 0.1},
        augment="random-resized-crop",
        head_epochs=1.0,
        epochs=20,
        batch=64,
        learning_rate=5e-4,
        warmup_epochs=2.0,
        layer_decay=0.75,
        weight_decay=0.05,
        clip_norm=1.0,
        output="runs/finetune",
    )


@preset("probe")
def probe():
    """the head alone on frozen features of a pretrained ViT-B/16: a linear probe; give --data.

    Without decay and smoothing, as logistic regression (Kolesnikov et al. 2019, arXiv 1901.09005); numbers chosen here.
    """
    return dataclasses.replace(
        finetune(),
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


@preset("lora")
def lora():
    """matrices of rank 8 beside the attention of a pretrained ViT-B/16, and the head; give --data.

    Hu et al. 2021 (arXiv 2106.09685) take ranks of 4 to 8 and rates some ten times those of full fine-tuning; the kept
    model has them added to its kernels.
    """
    return dataclasses.replace(
        finetune(),
        model_options={},
        lora=8,
        head_epochs=0.0,
        learning_rate=2e-3,
        layer_decay=1.0,
        weight_decay=0.0,
        output="runs/lora",
    )
