"""What the study of attention on objects is asked for."""

import dataclasses

from keras_vit import checked
from keras_vit.training.options import KeyValues


@checked.options
class Options:
    """What to train, with which seeds, and on how many held-out images to measure it."""

    data: str = "digits_on_photos"
    """a data set of tensorflow-datasets whose images have a "mask" beside them"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place by default"""
    model: str = "vit-ti16"
    """as listed by keras_vit.list_models(); one without attention has its Grad-CAM measured"""
    image_size: int | tuple[int, int] | None = 28
    """height and width in pixels that images are brought to; the model's own by default"""
    model_options: KeyValues = dataclasses.field(
        default_factory=lambda: {"patch": 4, "width": 48, "depth": 4, "heads": 4, "mlp_dim": 96}
    )
    """other options of the model, such as patch=4 drop_path=0.1; they add to the preset's"""
    augment: str = "none"
    """what is done to training images at random, as in train_classifier"""
    epochs: int = 14
    batch_size: int = 32
    learning_rate: float = 2e-3
    """at the end of the warm-up; it then falls to 0 as a cosine"""
    warmup_epochs: float = 1.0
    seeds: tuple[int, ...] = (0, 1, 2)
    """a training for each: its initial weights and the order of its images"""
    images: int = 360
    """held-out images to measure on, from the first; all where there are fewer"""
    output: str = "runs/measure_attention"
    """the folder of the trainings and the results; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: train again"""
