"""Work that stands for trainings side by side."""

import dataclasses
import os
import time
from pathlib import Path

from keras_vit.training.options import Run


@dataclasses.dataclass(frozen=True)
class Asked:
    """What `note` and `wait` are asked to do, as the options of a training are."""

    run: Run


def note(asked):
    """Stands for a training: says who it is and how many threads it computes with."""
    import tensorflow as tf

    print(os.getpid(), tf.config.threading.get_intra_op_parallelism_threads(), Path(asked.run.output).name)


def refuse(asked):
    raise ValueError(f"{asked.run.output} can't be met")


def wait(asked):
    """Stands for a long training."""
    Path(f"{asked.run.output}.pid").write_text(str(os.getpid()))
    time.sleep(300)


def trainings(folder, count):
    return {f"network {i}": Asked(Run(output=str(folder / f"out-{i}"))) for i in range(count)}
