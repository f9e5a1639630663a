"""Trains a classifier of images: handwritten digits in about a minute, your own folder, or a TFDS data set.

    python -m keras_vit.recipes.train_classifier --preset digits
    python -m keras_vit.recipes.train_classifier --data folder:photos --model vit-s16 --augment flip-crop
    python -m keras_vit.recipes.train_classifier --preset deit --help

The last shows what a preset stands for, where its numbers are from and what it reached. The training itself is
keras_vit/training/train.py; what is learned, keras_vit/tasks/classify.py.
"""

from keras_vit import cli
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.options import Options
from keras_vit.training.train import train

if __name__ == "__main__":
    cli.run(train, PRESETS, __doc__, Options[Classify])
