"""Work that stands for trainings side by side."""

import dataclasses
import os
import time
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Asked:
    """What `note` and `wait` are asked to do, as the options of a training are."""

    output: str


def note(asked):
    """Stands for a training: says who it is and how many threads it computes with."""
    import tensorflow as tf

    print(os.getpid(), tf.config.threading.get_intra_op_parallelism_threads(), Path(asked.output).name)


def refuse(asked):
    raise ValueError(f"{asked.output} can't be met")


def wait(asked):
    """Stands for a long training."""
    Path(f"{asked.output}.pid").write_text(str(os.getpid()))
    time.sleep(300)


def trainings(folder, count):
    return {f"network {i}": Asked(str(folder / f"out-{i}")) for i in range(count)}
