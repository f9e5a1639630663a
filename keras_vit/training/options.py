"""What the classifier recipe can be told, in groups as the command line shows them."""

import dataclasses
from typing import Literal

from keras_vit.cli import KeyValues
from keras_vit.training.monitor import profiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """Images, and what is done to them at random"""

    data: str = "digits"
    """digits, folder:PATH with one folder of images a class, or a name of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place unless given"""
    train_share: float = 1.0
    """part of the training and validation images that is used; all test images are"""
    image_size: int | tuple[int, int] | None = None
    """pixels that images are brought to; the model's own unless given"""
    test_size: int | tuple[int, int] | None = None
    """pixels that images are brought to when measuring; those of training unless given (FixRes)"""
    crop: float | None = None
    """share of the shorter side seen when measuring; the checkpoint's own, or 1"""
    augment: str = "none"
    """none, affine, flip-crop, random-resized-crop, randaugment[-MAGNITUDE], three-augment"""
    mixup: float = 0.0
    """alpha of the mixed shares of two images; 0 for none"""
    cutmix: float = 0.0
    """alpha of the boxes cut from another image; with mixup, one of both for each batch"""
    erasing: float = 0.0
    """share of the images that lose a box to noise"""
    repeats: int = 1
    """how often an image comes in a row, changed differently each time"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The model, and what of it learns"""

    model: str = "vit-ti16"
    """as listed by python -m keras_vit list"""
    model_options: KeyValues = dataclasses.field(default_factory=dict)
    """such as patch=4 drop_path=0.1; they add to the preset's"""
    weights: str | None = None
    """checkpoint to start from: a file, or the tag of a published one"""
    freeze: str | None = None
    """layer before which nothing learns, such as block_6; head for a linear probe"""
    head_epochs: float = 0.0
    """epochs at the start in which the head alone learns"""
    lora: int | None = None
    """rank of the small matrices that learn beside the attention's, and nothing else but the head"""
    teacher: str | None = None
    """folder of a run, or MODEL:TAG of a published checkpoint, to distil from (DeiT)"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learning:
    """How it learns"""

    epochs: int = 90
    """passes over the training images"""
    batch: int = 256
    """images in a step, over all devices together"""
    accumulate: int = 1
    """parts in which a device takes its share of the batch, to need less memory"""
    optimizer: Literal["adamw", "lamb", "sgd"] = "adamw"
    """sgd has momentum 0.9"""
    learning_rate: float = 1e-3
    """at the end of the warm-up; it then falls to 0 as a cosine"""
    warmup_epochs: float = 5.0
    """epochs in which the rate rises from 0"""
    weight_decay: float = 0.05
    """of kernels; nothing else decays"""
    layer_decay: float = 1.0
    """factor of the rate from each layer to the one before it, such as 0.75"""
    clip_norm: float | None = None
    """norm of the whole gradient beyond which it is scaled down"""
    loss: Literal["softmax", "sigmoid"] = "softmax"
    """cross-entropy of one class, or of each class for itself (BCE)"""
    label_smoothing: float = 0.1
    """share of each label that is spread over all classes"""
    target_threshold: float | None = None
    """with sigmoid: a mixed image is of each class whose share is above it"""
    ema: float | None = None
    """share of the weights' moving average that stays at each step, such as 0.9999; it is measured and kept"""
    sam: float | None = None
    """radius of sharpness-aware minimisation, such as 0.05; a step takes twice as long"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """On what"""

    precision: Literal["float32", "bfloat16"] = "float32"
    """of the arithmetic; weights are kept in float32"""
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = "auto"
    """one device, all of this machine, several machines; auto takes all there are"""
    workers: str | None = None
    """host:port,host:port of all processes, else from TF_CONFIG; the first writes"""
    index: int | None = None
    """which of the workers this process is, from 0"""
    steps_per_execution: int = 1
    """steps between two looks at the numbers; more are faster where steps are short"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of it"""

    seed: int = 0
    """of all chance: the same seed gives the same run"""
    output: str = "runs/classifier"
    """folder of the run; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: remove what an earlier run wrote to the folder"""
    save_every: int = 1000
    """steps between two saved states; the end of each epoch is saved too"""
    profile: str | None = None
    """steps to record for TensorBoard's profiler: a count, or FIRST,LAST"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Images, Network, Learning, Machine, Record):
    """What to train on what, and how: every option of the command line."""


def check_values(o):
    """Raises ValueError where an option can't be met, whatever the data and the model."""
    if o.epochs < 1 or not 0 <= o.warmup_epochs < o.epochs:
        raise ValueError(f"{o.warmup_epochs} warmup_epochs do not fit into {o.epochs} epochs")
    if o.save_every < 1:
        raise ValueError(f"save_every is at least 1, not {o.save_every}")
    if not 0 <= o.head_epochs < o.epochs:
        raise ValueError(f"{o.head_epochs} head_epochs do not fit into {o.epochs} epochs")
    if o.learning_rate <= 0 or o.weight_decay < 0 or not 0 <= o.label_smoothing < 1:
        raise ValueError("learning_rate is above 0, weight_decay at least 0, label_smoothing 0 to below 1")
    for name in ("clip_norm", "sam"):
        if (value := getattr(o, name)) is not None and value <= 0:
            raise ValueError(f"{name} is above 0, not {value}")
    if o.test_size is not None and (o.image_size is None or o.teacher is not None):
        raise ValueError(f"test_size={o.test_size} goes with an image_size to train at, and without a teacher")
    if o.ema is not None and not 0 < o.ema < 1:
        raise ValueError(f"ema is a share between 0 and 1 such as 0.9999, not {o.ema}")
    if o.target_threshold is not None and (o.loss != "sigmoid" or not 0 <= o.target_threshold < 1):
        raise ValueError(f"target_threshold={o.target_threshold} goes with loss='sigmoid', from 0 to below 1")
    if o.profile is not None:
        profiling.steps_of(o.profile)
    if o.teacher is not None and (o.loss != "softmax" or o.lora is not None):
        raise ValueError("a teacher goes with loss='softmax' and without lora")
    if o.lora is not None and (o.freeze is not None or o.head_epochs):
        raise ValueError(
            "lora leaves nothing but its own matrices and the head to learn: without freeze and head_epochs"
        )
