"""Trains a classifier of images: handwritten digits in about a minute, your own folder, or a TFDS data set.

    keras-vit train classify --preset digits
    keras-vit train classify --data folder:photos --model vit-s16 --augment flip-crop
    keras-vit train classify --preset deit --help

The last shows what a preset stands for, where its numbers are from and what it reached. The training itself is
keras_vit/training/train.py; what is learned, keras_vit/tasks/classify.py.
"""

import functools

from keras_vit import cli
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training.options import Options
from keras_vit.training.train import train

main = functools.partial(cli.run, train, PRESETS, __doc__, Options[Classify])

if __name__ == "__main__":
    main()
