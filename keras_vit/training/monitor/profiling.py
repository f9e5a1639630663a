"""Records some steps of a training with TensorFlow's profiler, for the Profile tab of TensorBoard."""

import keras

from keras_vit.backend import load
from keras_vit.training.devices import cluster
from keras_vit.training.options import profiled_steps


class Profile(keras.callbacks.Callback):
    """Records the steps `profile`, as `profiled_steps` takes it, counted from the start of `fit`, in `folder`/train.

    An execution of several steps is recorded as a whole. Only the chief of several workers records. Keras'
    TensorBoard(profile_batch=...) counts executions instead, gives no step its mark, and hides errors in the log.
    """

    def __init__(self, profile, folder):
        super().__init__()
        self.first, self.last = profiled_steps(profile)
        self.folder = folder
        self.done = 0
        self.running = self.step = None  # None, then True, then False

    def on_train_batch_begin(self, batch, logs=None):
        self._begin = batch
        if self.running is None and self._reaches(self.first) and cluster.is_chief(self.model.distribute_strategy):
            self._start()
        if self.running:
            self.step = load("tensorflow").profiler.experimental.Trace("train", step_num=self.done + 1, _r=1)
            self.step.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        self.done += batch - self._begin + 1
        if self.running:
            self.step.__exit__(None, None, None)
            if self.done >= self.last:
                self._stop()

    def on_train_end(self, logs=None):
        if self.running is None and cluster.is_chief(self.model.distribute_strategy):
            print(f"nothing was profiled: this start had {self.done} steps, and the first to profile is {self.first}")
        self.close()

    def close(self):
        """Writes what was recorded; also to be called when training was interrupted."""
        if self.running:
            self._stop()

    def _reaches(self, step):
        return self.done + self.model.steps_per_execution >= step

    def _start(self):
        tf = load("tensorflow")
        try:
            tf.profiler.experimental.start(str(self.folder / "train"))
            self.running, self.began = True, self.done + 1
        except tf.errors.OpError as error:  # a training is worth more than its profile
            self.running = False
            print(f"nothing is profiled: {error.message}")

    def _stop(self):
        self.running = False
        load("tensorflow").profiler.experimental.stop()
        print(
            f"profiled the steps {self.began} to {self.done}; to see them: pip install tensorboard xprof, "
            f"then tensorboard --logdir {self.folder}, tab Profile"
        )
