"""Searches for better options of a training: keras_tuner proposes, the same `train` as ever tries."""

import contextlib
import io
import os
import sys
import threading
import time

import keras
from rich import console

from keras_vit.backend import load
from keras_vit.tuning import oracles, search_space

kt = load("keras_tuner")
load("tensorboard")  # keras_tuner asks for it in the middle of the first trial only
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
CHIEF = "chief"
PAUSE = 0.1  # seconds between two questions for a trial while there is none


class Tuner(kt.engine.base_tuner.BaseTuner):
    """Runs each trial as `train(options)` in a folder of its own, which goes on after a kill as any training does.

    `base` are the options that the values on `axes` change; the trial 0 is `base` itself. Whatever a training
    raises makes its trial a failed one, with the sentence kept, and the search goes on.
    """

    def __init__(self, oracle, folder, base, axes, train):
        self.folder, self.base, self.axes, self.train = folder, base, axes, train
        self.console = console.Console(file=sys.stdout)  # before a trial's words go to its log
        self.count = 0
        self._idle = False
        with contextlib.redirect_stdout(io.StringIO()):  # it tells which file it reads
            super().__init__(oracle=oracle, directory=str(folder.path), project_name=folder.oracle.name)
        if self._is_worker():
            self.oracle = _Patient(self.oracle)

    def on_search_begin(self):
        if self._is_worker():
            self.oracle.get_space()  # is answered as soon as there is a chief, which makes the folder ready
            self.folder.check()

    def pre_create_trial(self):
        if self._idle:
            time.sleep(PAUSE)
        self._idle = True

    def on_trial_begin(self, trial):
        self._idle = False
        self.count += 1

    def run_trial(self, trial):
        """Returns {"val_accuracy": …, "val_loss": …} of the best epoch of the trial's training."""
        options, name = self.options_of(trial), trial.trial_id
        try:
            if self.folder.is_hopeless(name):
                raise ChildProcessError("its process ended again and again before an epoch did, as without memory")
            with self._alive(name), self._shown(name) as shown, _printing_to(self.folder.log_of(name)):
                _, history = self.train(options, callbacks=shown)
        except KeyboardInterrupt:
            self.folder.forget_start(name)
            raise
        except Exception as error:
            self.folder.fail(name, _sentence(error))
            raise kt.errors.FailedTrialError(_sentence(error)) from error
        finally:
            keras.utils.clear_session()
        rows = zip(history.history["val_accuracy"], history.history["val_loss"], strict=True)
        accuracy, loss = max(rows, key=lambda row: (row[0], -row[1]))
        return {oracles.OBJECTIVE: float(accuracy), "val_loss": float(loss)}

    def options_of(self, trial):
        """Returns the options that the training of `trial` gets; Hyperband's has its own number of epochs."""
        values, options = trial.hyperparameters.values, self.base
        if int(trial.trial_id):
            options = search_space.applied(self.axes, values, options)
        epochs = values.get(oracles.EPOCHS, options.optim.epochs)
        warmup = options.optim.warmup_epochs * epochs / options.optim.epochs
        output = str(self.folder.run_of(trial.trial_id))
        return options.replace(epochs=epochs, warmup_epochs=warmup, output=output, fresh=False)

    @contextlib.contextmanager
    def _alive(self, trial_id):
        """Lets the chief know, while a trial is trained, that its worker lives."""
        if not self._is_worker():
            yield
            return
        over = threading.Event()

        def tell():
            while not over.wait(self.oracle.lease / 6):
                with contextlib.suppress(ConnectionError):
                    self.oracle.get_trial(trial_id)

        threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    @contextlib.contextmanager
    def _shown(self, trial_id):
        """Yields callbacks that show on a terminal how far the trial has come."""
        if not self.console.is_terminal:
            yield ()
            return
        with self.console.status(f"trial {int(trial_id)}") as status:

            def show(epoch, logs):
                status.update(f"trial {int(trial_id)}: epoch {epoch + 1}, val accuracy {logs['val_accuracy']:.2%}")

            yield (keras.callbacks.LambdaCallback(on_epoch_end=show),)

    def save(self):
        if not self._is_worker():
            self.oracle.save()

    def reload(self):
        if not self._is_worker():
            self.oracle.reload()

    def _get_tuner_fname(self):
        """The file whose existence says that there is a search to go on with, whoever had begun it."""
        return str(self.folder.oracle / "oracle.json")


def search(oracle, folder, base, axes, train, chief=None, worker=None):
    """Runs the trials that `oracle` proposes to their end; returns how many of them this process trained.

    With `chief`, "host:port", this process serves the trials to others, or with `worker`, its number, is one of
    these; they share the disk of `folder`. Raises ConnectionError where a worker finds no chief for an hour.
    """
    with _environment(chief, worker):
        tuner = Tuner(oracle, folder, base, axes, train)
        if os.environ.get(VARIABLES[0]) != CHIEF:
            tuner.search()
            return tuner.count

        def lost(tuner_id):
            print(f"{tuner_id} has said nothing for {oracle.lease:g} s; its trial waits for another worker", flush=True)

        with oracle.watching(lost):
            try:
                tuner.search()
            except RuntimeError as error:
                if "bind" not in str(error):
                    raise
                raise ValueError(f"the chief can't listen on {chief}; is the port taken?") from error
        return 0


def leave_devices_to_workers():
    """Keeps the chief, which computes nothing, from taking the memory of GPUs that workers on its machine need."""
    with contextlib.suppress(RuntimeError):  # TensorFlow has them already
        load("tensorflow").config.set_visible_devices([], "GPU")


def address(text):
    """Returns the host and the port of `text`; ValueError where there is no such."""
    host, _, port = (text or "").rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"chief {text!r} is not of the form host:port, such as 10.0.0.1:2222")
    return host, port


@contextlib.contextmanager
def _environment(chief, worker):
    """Tells keras_tuner who this process is; without `chief` what the environment says counts."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    if chief is not None:
        values = (CHIEF if worker is None else f"worker {worker}", *address(chief))
        os.environ.update(dict(zip(VARIABLES, values, strict=True)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class _Patient:
    """Speaks to the chief, and waits for it while it is being started again."""

    def __init__(self, client):
        self._client = client
        self.lease = client._oracle.lease

    def __getattr__(self, name):
        found = getattr(self._client, name)
        return self._waiting(found) if callable(found) else found

    def _waiting(self, ask):
        grpc = load("grpc")

        def asked(*args, **kwargs):
            while True:
                try:
                    return ask(*args, **kwargs)
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise ConnectionError(
                            f"the chief did not answer ({error.details()}); start it and this worker again"
                        ) from error
                    time.sleep(1)

        return asked


@contextlib.contextmanager
def _printing_to(path):
    with open(path, "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        yield


def _sentence(error):
    """Returns the first line of what `error` says, and what it is where that isn't ours to word."""
    said = str(error).strip().partition("\n")[0][:300]
    ours = isinstance(error, (ValueError, ArithmeticError, OSError)) and said
    return said if ours else f"{type(error).__name__}: {said}"
