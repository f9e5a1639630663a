"""Options of a training, whatever its task, in the groups that the command line shows.

Each option goes by one flat name, that of its flag. An `IRRELEVANT` one can't change the result.
"""

import ast
import dataclasses
import re
from dataclasses import field
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro

from keras_vit import checked, files, nested

T = TypeVar("T")
IRRELEVANT = {"identity": False}
SIZED = ("batch_size", "warmup_epochs")  # what a training chooses by the size of its data where it is None
PROFILE_WARM_UP = 10  # steps before those profiled where only a count is given: they compile, and fill the buffers


def _key_values(words):
    pairs = [word.partition("=") for word in words]
    if wrong := [key + value for key, equals, value in pairs if not (key and equals)]:
        raise ValueError(f"{wrong[0]!r} is not of the form key=value")
    return {key: _value(value) for key, _, value in pairs}


def _value(word):
    words = {"true": True, "false": False, "none": None}  # in any case: the text "false" would count as true
    if word.lower() in words:
        return words[word.lower()]
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word  # a string needs no quotes


KeyValues = Annotated[
    dict[str, object],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="KEY=VALUE",
        instance_from_str=_key_values,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [f"{key}={each}" for key, each in value.items()],
    ),
]


@checked.options
class Data:
    """Images, and how they are changed at random"""

    name: Annotated[str, tyro.conf.arg(name="data")] = field(default="digits", metadata={"flag": "data"})
    """digits, folder:PATH, or the name of a data set of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place unless given"""
    split_seed: int = 0
    """draws the validation and test images of a folder without its own; a run's seed leaves them as they are"""
    train_fraction: float = 1.0
    """fraction of the training and validation images that is used; all test images are"""
    image_size: int | tuple[int, int] | None = None
    """pixels to resize images to; the model's own unless given"""
    test_size: int | tuple[int, int] | None = None
    """pixels to resize images to for evaluation; image_size unless given (FixRes, Touvron et al. 2019)"""
    crop: float | None = None
    """fraction of the shorter side that evaluation sees; the checkpoint's own, or 1"""
    augment: str = "none"
    """none, affine, flip-crop, random-resized-crop, randaugment[-MAGNITUDE], three-augment"""
    random_erasing: float = 0.0
    """probability that a box of an image is replaced by noise (Zhong et al. 2020)"""
    repeated_augmentation: int = 1
    """augmented copies of each image in a batch (Hoffer et al. 2020)"""

    def __post_init__(self):
        checked.above_zero(self, "train_fraction", "crop", most=1)
        checked.at_least(self, 0, "random_erasing")
        checked.at_least(self, 1, "repeated_augmentation")
        if self.random_erasing > 1:
            raise ValueError(f"random_erasing is a probability of at most 1, not {self.random_erasing}")
        for name in ("image_size", "test_size"):
            size = getattr(self, name)
            if size is not None and min(size if isinstance(size, tuple) else (size,)) < 1:
                raise ValueError(f"{name} is at least 1 pixel, not {size}")
        if self.test_size is not None and self.image_size is None:
            raise ValueError(f"test_size={self.test_size} goes with an image_size to train at, and without a teacher")


@checked.options
class Model:
    """The model, and which of its weights are trained"""

    name: Annotated[str, tyro.conf.arg(name="model")] = field(default="vit-ti16", metadata={"flag": "model"})
    """as listed by keras-vit list"""
    options: Annotated[KeyValues, tyro.conf.arg(name="model-options")] = field(
        default_factory=dict, metadata={"flag": "model_options"}
    )
    """such as patch=4 drop_path=0.1; they add to the preset's"""
    weights: str | None = None
    """checkpoint to start from: a file, the folder of a run, or the tag of a published one"""
    freeze: str | None = None
    """layer before which all layers are frozen, such as block_6; head trains the head alone (linear probe)"""
    lora: int | None = None
    """rank of the low-rank matrices beside each attention; only they and the head are trained (Hu et al. 2021)"""

    def __post_init__(self):
        checked.at_least(self, 1, "lora")
        if self.weights is not None:  # MODEL:TAG, as everywhere else, is the tag of this model
            object.__setattr__(self, "weights", self.weights.removeprefix(f"{self.name}:"))
        if "image_size" in self.options:
            size = self.options["image_size"]
            raise ValueError(
                f"model_options image_size={size} is an option of its own, for the data and the model: image_size "
                f"(--image-size {size})"
            )
        if self.lora is not None and self.freeze is not None:
            raise ValueError(LORA_ALONE)


@checked.options
class Optim:
    """Optimizer and schedule"""

    epochs: int = 90
    """passes over the training images"""
    batch_size: int | None = None
    """images in a step, over all devices together; of the number of images unless given, 16 steps an epoch"""
    largest_batch: int = field(default=256, metadata=IRRELEVANT)
    """what batch_size is at most where it isn't given"""
    gradient_accumulation: int = 1
    """parts in which a device computes its share of the batch, to need less memory"""
    optimizer: Literal["adamw", "lamb", "sgd"] = "adamw"
    """sgd has momentum 0.9"""
    learning_rate: float = 1e-3
    """at the end of the warm-up; it then falls to 0 as a cosine"""
    warmup_epochs: float | None = None
    """epochs in which the learning rate rises from 0; a tenth of all, 5 at most, unless given"""
    head_epochs: float = 0.0
    """epochs at the start in which only the head is trained"""
    weight_decay: float = 0.05
    """of kernels; nothing else decays"""
    layer_decay: float = 1.0
    """factor of the learning rate from each layer to the one before it, such as 0.75"""
    clip_norm: float | None = None
    """norm that the whole gradient is scaled down to where it is larger"""
    ema: float | None = None
    """decay of the moving average of the weights, such as 0.9999; the average is evaluated and kept"""
    sam: float | None = None
    """radius of sharpness-aware minimisation, such as 0.05; a step takes twice as long"""

    def __post_init__(self):
        checked.at_least(self, 1, "epochs", "batch_size", "largest_batch", "gradient_accumulation")
        checked.above_zero(self, "learning_rate", "layer_decay", "clip_norm", "sam")
        checked.at_least(self, 0, "weight_decay")
        if self.warmup_epochs is not None and not 0 <= self.warmup_epochs < self.epochs:
            raise ValueError(f"{self.warmup_epochs} warmup_epochs do not fit into {self.epochs} epochs")
        if not 0 <= self.head_epochs < self.epochs:
            raise ValueError(f"{self.head_epochs} head_epochs do not fit into {self.epochs} epochs")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema is a share between 0 and 1 such as 0.9999, not {self.ema}")


@checked.options
class Devices:
    """Devices and precision"""

    precision: Literal["float32", "bfloat16"] = "float32"
    """of the arithmetic; weights are kept in float32"""
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = field(default="auto", metadata=IRRELEVANT)
    """one device, all of this machine, several machines; auto takes all there are"""
    workers: str | None = field(default=None, metadata=IRRELEVANT)
    """host:port,host:port of all processes, else from TF_CONFIG; the first writes"""
    index: int | None = field(default=None, metadata=IRRELEVANT)
    """which of the workers this process is, from 0"""
    steps_per_execution: int = field(default=1, metadata=IRRELEVANT)
    """steps between two callbacks; more are faster where steps are short"""
    jit_compile: bool | Literal["auto"] = field(default="auto", metadata=IRRELEVANT)
    """whether XLA compiles the step; auto does where it can and is faster"""

    def __post_init__(self):
        checked.at_least(self, 0, "index")
        checked.at_least(self, 1, "steps_per_execution")


@checked.options
class Run:
    """The run and its folder"""

    seed: int = 0
    """of all random numbers: the same seed gives the same run"""
    output: str = field(default="runs/training", metadata=IRRELEVANT)
    """folder of the run; the same command there goes on where it stopped"""
    fresh: bool = field(default=False, metadata=IRRELEVANT)
    """start over: remove what an earlier run wrote to the folder"""
    save_every: int = field(default=1000, metadata=IRRELEVANT)
    """steps between two saved states; the end of each epoch is saved too"""
    profile: str | None = field(default=None, metadata=IRRELEVANT)
    """steps to record for TensorBoard's profiler: a count, or FIRST,LAST"""

    def __post_init__(self):
        checked.at_least(self, 1, "save_every")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is from 0 to {2**32 - 1}, not {self.seed}")
        if not self.output or "\0" in self.output:
            raise ValueError(f"output names the folder of the run, and {self.output!r} names none")
        try:
            files.local_path(self.output)
        except ValueError as error:
            raise ValueError(f"output {error}") from None
        if self.profile is not None:
            profiled_steps(self.profile)


@checked.options
class Options(Generic[T]):
    """What to train on which data, and how: every option of the command line."""

    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    task: T
    optim: Optim = field(default_factory=Optim)
    devices: Devices = field(default_factory=Devices)
    run: Run = field(default_factory=Run)

    def __post_init__(self):
        if not dataclasses.is_dataclass(self.task) or isinstance(self.task, type):
            raise ValueError(f"task is an instance of a task, not {self.task!r}")
        checked.check(self.task)  # somebody else's may be a plain dataclass
        nested.check_names(self)
        if self.model.lora is not None and self.optim.head_epochs:
            raise ValueError(LORA_ALONE)
        if check := getattr(self.task, "check", None):
            check(self)

    def replace(self, **changes: Any) -> "Options[T]":
        """Returns a copy with options changed by their flat names, such as epochs=3; groups may be given as a whole.

        Raises ValueError for a name that is no option, and for values that can't be met.
        """
        return nested.replace(self, **changes)

    def title(self) -> str:
        """Returns "MODEL (what is changed of it) on DATA", for the pictures of a run."""
        changes = ", ".join(f"{name} {value}" for name, value in self.model.options.items())
        return f"{self.model.name}{f' ({changes})' if changes else ''} on {self.data.name}"

    def flat(self) -> dict[str, Any]:
        """Returns {flat name: value} of all options."""
        return nested.flat(self)


LORA_ALONE = "lora leaves nothing but its own matrices and the head to learn: without freeze and head_epochs"


def profiled_steps(profile: str | None) -> tuple[int, int] | int:
    """Returns `profile_batch` for keras.callbacks.TensorBoard: the first and the last step, from 1, or 0 for none.

    `profile` is "FIRST,LAST", or a count of steps after the first 10, which compile. Raises ValueError for neither.
    """
    if profile is None:
        return 0
    if match := re.fullmatch(r"(\d+)(?:,(\d+))?", profile):
        number, last = int(match[1]), match[2]
        first, last = (PROFILE_WARM_UP + 1, PROFILE_WARM_UP + number) if last is None else (number, int(last))
        if 1 <= first <= last:
            return first, last
    raise ValueError(f"profile={profile!r} is neither a count of steps such as 5 nor first,last such as 20,25")


def chosen(value: T | None) -> T:
    """Returns one of `SIZED` options; ValueError where it isn't chosen yet."""
    if value is None:
        raise ValueError(f"{' and '.join(SIZED)} follow from the number of images first; sizing.fill chooses them")
    return value


def identity(options: Any) -> dict[str, Any]:
    """Returns {flat name: value} of what can change the result, and the task's name as "task", as JSON has them."""
    return task_of(options) | nested.identity(options)


def task_of(options: Any) -> dict[str, str]:
    """Returns {"task": the name of the task of `options`}, {} where they have none."""
    return {"task": options.task.name} if hasattr(options, "task") else {}
