"""Presets of classification from papers, for ImageNet on accelerators; none was run here to its end."""

from keras_vit.tasks.classify import Classify
from keras_vit.training.options import Options


def augreg() -> Options[Classify]:
    """ViT-S/16 as Steiner et al. 2021 train on ImageNet, "How to train your ViT?" (arXiv 2106.10270).

    Their section 3 and the recipe "medium1" of their code: batch 4,096, Adam with decoupled decay 0.03 to 0.1, 10,000
    steps of warm-up (32 of 300 epochs), gradients clipped at 1, RandAugment of 2 operations and mixup 0.2,
    dropout and stochastic depth 0.1. Here RandAugment ends at magnitude 10, where theirs goes on to 15.
    """
    return Options(task=Classify()).replace(
        data="imagenet2012",
        model="vit-s16",
        model_options={"dropout": 0.1, "drop_path": 0.1},
        augment="randaugment-10",
        mixup=0.2,
        epochs=300,
        batch_size=4096,
        learning_rate=1e-3,
        warmup_epochs=32.0,
        weight_decay=0.1,
        clip_norm=1.0,
        label_smoothing=0.0,
        precision="bfloat16",
        output="runs/augreg",
    )


def deit() -> Options[Classify]:
    """DeiT-S as Touvron et al. 2021 train it on ImageNet (arXiv 2012.12877): 79.9 % in the paper.

    Their table 9: 300 epochs, batch 1,024, AdamW at 5e-4 x batch / 512, decay 0.05, 5 epochs of warm-up, label
    smoothing 0.1, stochastic depth 0.1, RandAugment 9/0.5, mixup 0.8, cutmix 1.0, erasing 0.25, each image 3
    times. The moving average, 0.99996, is that of their code. --teacher with --model deit-s16-distilled adds the
    distillation.
    """
    return Options(task=Classify()).replace(
        data="imagenet2012",
        model="deit-s16",
        model_options={"drop_path": 0.1},
        crop=0.875,
        augment="randaugment-9",
        mixup=0.8,
        cutmix=1.0,
        random_erasing=0.25,
        repeated_augmentation=3,
        epochs=300,
        batch_size=1024,
        learning_rate=1e-3,
        warmup_epochs=5.0,
        weight_decay=0.05,
        ema=0.99996,
        precision="bfloat16",
        output="runs/deit",
    )


def deit3() -> Options[Classify]:
    """DeiT III-S as Touvron, Cord and Jégou 2022 train it on ImageNet (arXiv 2204.07118): 81.4 % in the paper.

    Their table 1 and the commands of their code: 800 epochs, batch 2,048, LAMB at 4e-3, decay 0.05, 5 epochs of
    warm-up, binary cross-entropy without smoothing, stochastic depth 0.05, 3-Augment, mixup 0.8, cutmix 1.0,
    each image 3 times, gradients clipped at 1.
    """
    return Options(task=Classify()).replace(
        data="imagenet2012",
        model="deit3-s16",
        model_options={"drop_path": 0.05},
        crop=1.0,
        augment="three-augment",
        mixup=0.8,
        cutmix=1.0,
        repeated_augmentation=3,
        epochs=800,
        batch_size=2048,
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


def convnext() -> Options[Classify]:
    """ConvNeXt-T as Liu et al. 2022 train it on ImageNet (arXiv 2201.03545): 82.1 % in the paper.

    Their table 5: 300 epochs, batch 4,096, AdamW at 4e-3, decay 0.05, 20 epochs of warm-up, label smoothing 0.1,
    stochastic depth 0.1, RandAugment 9/0.5, mixup 0.8, cutmix 1.0, erasing 0.25, moving average 0.9999.
    """
    return Options(task=Classify()).replace(
        data="imagenet2012",
        model="convnext-t",
        model_options={"drop_path": 0.1},
        crop=0.875,
        augment="randaugment-9",
        mixup=0.8,
        cutmix=1.0,
        random_erasing=0.25,
        epochs=300,
        batch_size=4096,
        learning_rate=4e-3,
        warmup_epochs=20.0,
        weight_decay=0.05,
        ema=0.9999,
        precision="bfloat16",
        output="runs/convnext",
    )


def _strikes_back(name, **options):
    return Options(task=Classify()).replace(
        data="imagenet2012",
        model="resnet-50",
        crop=0.95,
        cutmix=1.0,
        batch_size=2048,
        optimizer="lamb",
        warmup_epochs=5.0,
        loss="sigmoid",
        target_threshold=0.2,
        precision="bfloat16",
        output=f"runs/resnet-{name}",
        **options,
    )


def resnet_a1() -> Options[Classify]:
    """ResNet-50 by procedure A1 of Wightman, Touvron and Jégou 2021, "ResNet strikes back" (arXiv 2110.00476).

    80.4 % in the paper. Their table 2: 600 epochs, batch 2,048, LAMB at 5e-3, decay 0.01, label smoothing 0.1,
    stochastic depth 0.05, each image 3 times, RandAugment 7/0.5, mixup 0.2, cutmix 1.0, binary cross-entropy of the
    classes that are in the mixed image, seen with 95 % of the shorter side.
    """
    return _strikes_back(
        "a1",
        model_options={"drop_path": 0.05},
        augment="randaugment-7",
        mixup=0.2,
        repeated_augmentation=3,
        epochs=600,
        learning_rate=5e-3,
        weight_decay=0.01,
    )


def resnet_a2() -> Options[Classify]:
    """ResNet-50 by procedure A2 of "ResNet strikes back" (arXiv 2110.00476): 79.8 % in the paper.

    Their table 2; against A1: 300 epochs, decay 0.02, mixup 0.1, no label smoothing.
    """
    return _strikes_back(
        "a2",
        model_options={"drop_path": 0.05},
        augment="randaugment-7",
        mixup=0.1,
        repeated_augmentation=3,
        epochs=300,
        learning_rate=5e-3,
        weight_decay=0.02,
        label_smoothing=0.0,
    )


def resnet_a3() -> Options[Classify]:
    """ResNet-50 by procedure A3 of "ResNet strikes back" (arXiv 2110.00476): 78.1 % in the paper.

    Their table 2; against A2: 100 epochs on images of 160 pixels, LAMB at 8e-3, RandAugment 6/0.5, every image once,
    measured at 224 pixels (Touvron et al. 2019, "Fixing the train-test resolution discrepancy", arXiv 1906.06423).
    """
    return _strikes_back(
        "a3",
        image_size=160,
        test_size=224,
        augment="randaugment-6",
        mixup=0.1,
        epochs=100,
        learning_rate=8e-3,
        weight_decay=0.02,
        label_smoothing=0.0,
    )


PAPERS = (augreg, deit, deit3, convnext, resnet_a1, resnet_a2, resnet_a3)
