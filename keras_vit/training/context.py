"""What a training works with, from its first epoch to its result."""

import dataclasses
from typing import Any

from keras_vit import data
from keras_vit.training.options import Options, chosen
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.runs.state import Progress
from keras_vit.training.task import Learner
from keras_vit.training.totals import Totals


@dataclasses.dataclass
class Training:
    """The parts of a training. `devices` is its tf.distribute strategy; `totals` are those of the epoch under way."""

    options: Options
    devices: Any
    folder: RunFolder
    source: data.Source
    learner: Learner
    totals: Totals
    progress: Progress

    @property
    def best(self) -> dict[str, Any]:
        """The numbers of the best epoch so far."""
        return self.options.task.monitor.best(self.progress.rows)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return data.steps_per_epoch(self.source, chosen(self.options.optim.batch_size))
