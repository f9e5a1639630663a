"""A training from its options to result.json: the page to read.

    result = train(Options(task=task).replace(data="folder:photos", model="vit-s16", epochs=20))
    result.model.predict(images)

`train` goes through five stages: check the options; open the data and build the networks; go on from the last saved
state; the epochs (`_fit`); measure the best model on the test images (`_conclude`).
"""

import contextlib
import dataclasses
from collections.abc import Sequence

import keras
from rich import print as show

from keras_vit import data
from keras_vit.nested import named
from keras_vit.training import loop, outcome, sizing
from keras_vit.training.context import Training
from keras_vit.training.devices import cluster, preemption, strategy
from keras_vit.training.evaluation import Evaluation
from keras_vit.training.monitor import tensorboard
from keras_vit.training.monitor.progress import showing
from keras_vit.training.optim.ema import averaged
from keras_vit.training.optim.optimizers import optimizer_of
from keras_vit.training.options import Options
from keras_vit.training.runs import images, provenance, resume, state
from keras_vit.training.runs.checkpoint import Checkpoint
from keras_vit.training.runs.folder import RunFolder
from keras_vit.training.totals import Totals


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished training: the best `model`, the numbers of each epoch and of the `best`, and the folder of files."""

    model: keras.Model
    rows: list[dict[str, float]]
    best: dict[str, float]
    folder: RunFolder

    @property
    def history(self) -> keras.callbacks.History:
        """The numbers of all epochs as Keras gives them, those before a restart as well."""
        history = keras.callbacks.History()
        history.epoch = [row["epoch"] - 1 for row in self.rows]
        history.history = {name: [row[name] for row in self.rows] for name in self.rows[0] if name != "epoch"}
        return history


def train(options: Options, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Result:
    """Trains a model and returns the Result, whose model has the weights of the best epoch.

    The run lives in the folder `options.run.output`: there it goes on from its last saved state, or returns at once if
    it is done. Asked for other epochs, but for no fewer than are done, it goes on too: the learning rate follows the
    schedule of these from there, so that one that had fallen to 0 rises at once. On SIGTERM it saves its state and ends
    the process with status 143. `callbacks` see the network in training as their `model`, with its optimizer; those
    that set the learning rate or save the model work as with Keras' `fit`, but what they remember is not part of the
    saved state.

    Raises ValueError for options that can't be met, before any long work; DivergedError when the loss or a weight
    stops being a finite number; WriteError when the disk is full; WorkerLostError when another worker ends.

    >>> options = keras_vit.Options(task=keras_vit.Classify()).replace(
    ...     data="digits", model="mlp", image_size=8, augment="none", epochs=1, warmup_epochs=0.5
    ... )
    >>> result = keras_vit.train(options)  # doctest: +ELLIPSIS
    ┏...
    epoch 1/1  loss ...
    >>> result.model.output.shape, len(result.rows), str(result.folder.best)
    ((None, 10), 1, 'runs/training/best.keras')
    """
    devices = strategy.choose(options.devices.strategy, options.devices.workers, options.devices.index)
    with cluster.workplace(devices, options) as folder, strategy.precision(options.devices.precision):
        with cluster.chief_first(devices):
            source = options.task.open(options)
        asked, options = options, _sized(options, devices, source, folder)
        _check_sizes(options, devices, source)
        if folder.is_done() and not options.run.fresh:
            return _done(options, folder, source)
        learner, totals = _build(options, devices, source)
        with folder.alone(), source.stopping_clearly():
            _describe(asked, options, source)
            training = _restore(options, devices, folder, source, learner, totals)
            if training.progress.epochs < options.optim.epochs:
                _fit(training, callbacks)
            return _conclude(training)


def _sized(options, devices, source, folder):
    """Returns the options with what wasn't given but follows from the size of the data, for the folder too."""
    earlier = {} if options.run.fresh else folder.chosen()
    sized = sizing.fill(options, source.sizes["train"], devices.num_replicas_in_sync, earlier)
    folder.choose(sized)
    folder.check(options.run.fresh)
    return sized


def _describe(asked, options, source):
    """Prints what the task tells of its examples, and what was chosen for them."""
    if describe := getattr(options.task, "describe", None):
        show(describe(source))
    if sentence := sizing.notice(asked, options, source.sizes["train"]):
        print(sentence, flush=True)


def _check_sizes(options, devices, source):
    """Raises ValueError if a batch doesn't fit the data, or steps don't fit an epoch."""
    optim = options.optim
    strategy.check_batch(devices, optim.batch_size, source.sizes["train"], optim.gradient_accumulation)
    strategy.check_steps(options.devices.steps_per_execution, data.steps_per_epoch(source, optim.batch_size))


def _build(options, devices, source):
    """Builds the networks, the optimizer and what measures them; returns the Learner and the Totals."""
    images.warn_of_seen("weights", options.model.weights, source)
    keras.utils.set_random_seed(options.run.seed)
    with devices.scope():
        learner = options.task.learner(options, source)
        steps = data.steps_per_epoch(source, options.optim.batch_size)
        learner.optimizer = optimizer_of(options.optim, learner.network, steps)
        # callbacks, and Keras' choice whether to compile by XLA, need a compiled model
        learner.network.compile(learner.optimizer, jit_compile=options.devices.jit_compile)
        return learner, Totals(devices, options.task.metrics(source, "train"))


def _restore(options, devices, folder, source, learner, totals):
    """Restores the state that the folder holds and makes the folder ready; returns the Training."""
    found = None if options.run.fresh else resume.find(folder)
    progress = state.Progress() if found is None else found.progress
    progress.started = progress.started or provenance.now()
    training = Training(options, devices, folder, source, learner, totals, progress)
    if found is None:
        progress.follow(options.optim.epochs, options.optim.epochs)
        folder.begin(options.run.fresh)
    else:
        resume.go_on(training, found)
    images.keep(folder, source)
    return training


def _fit(training: Training, callbacks: Sequence[keras.callbacks.Callback]):
    """Trains from where the progress stands to the last epoch, saving its state in the folder."""
    network = training.learner.network
    batches = _training_batches(training)
    with preemption.noticing(training.devices) as termination, contextlib.ExitStack() as ending:
        checkpoint = Checkpoint(training, termination)
        shown = showing(training)
        ending.callback(shown.close)
        ending.enter_context(checkpoint.finishing())
        counts = {"epochs": training.options.optim.epochs, "steps": training.steps}
        own = [*tensorboard.boards(training, batches), shown]
        together = keras.callbacks.CallbackList([*own, *callbacks], model=network, **counts)
        network.stop_training = False
        _epochs(training, batches, together, checkpoint)


def _epochs(training, batches, callbacks, checkpoint):
    options, learner, progress, totals = training.options, training.learner, training.progress, training.totals
    executed = options.devices.steps_per_execution
    execute = loop.make_train_function(
        options.task,
        learner.model,
        learner.optimizer,
        totals,
        gradient_accumulation=options.optim.gradient_accumulation,
        clip_norm=options.optim.clip_norm,
        sam=options.optim.sam,
        steps_per_execution=executed,
        jit_compile=learner.network.jit_compile,
    )
    held_out = Evaluation(training, learner.model, "validation")
    iterator = iter(training.devices.experimental_distribute_dataset(batches))
    callbacks.on_train_begin()
    for epoch in range(progress.epochs, options.optim.epochs):
        callbacks.on_epoch_begin(epoch)
        totals.restore(progress.metrics) if progress.step else totals.reset()
        for first in range(progress.step, training.steps, executed):
            step = first + executed
            callbacks.on_train_batch_begin(first)
            logs = execute(iterator)
            checkpoint.check(float(logs["loss"]), "loss", f"in epoch {epoch + 1}, step {step}")
            callbacks.on_train_batch_end(step - 1, logs)
            checkpoint.after_steps(step, executed)
        with averaged(learner.optimizer):
            measured = held_out.measure(callbacks, checkpoint.termination.asked)
        if held_out.cut_short:
            checkpoint.after_interrupted_evaluation(training.steps)
        numbers = totals.floats() | {f"val_{name}": value for name, value in measured.items()}
        checkpoint.check(numbers["val_loss"], "validation loss", f"at the end of epoch {epoch + 1}")
        row = {"epoch": epoch + 1, **numbers, "learning_rate": float(learner.optimizer.learning_rate)}
        callbacks.on_epoch_end(epoch, numbers)  # which may set the rate of the next epoch
        checkpoint.after_epoch(row)
        if learner.network.stop_training:
            break
    callbacks.on_train_end(numbers)


def _training_batches(training):
    """Returns the batches that are still to be trained on."""
    options, source, progress = training.options, training.source, training.progress
    return data.training_batches(
        source,
        options.task.example(options, source, training.learner, training=True),
        options.optim.batch_size,
        mix=options.task.mix(options, source),
        repeated_augmentation=options.data.repeated_augmentation,
        seed=options.run.seed,
        epochs=options.optim.epochs,
        first_epoch=progress.epochs,
        first_step=progress.step,
        corrupt=progress.skipped,
    )


def _conclude(training: Training) -> Result:
    """Measures the best model once on the test images; writes and prints the result."""
    folder, progress = training.folder, training.progress
    folder.publish_best(training.best["epoch"])
    folder.write_history(progress.rows)
    with training.devices.scope():
        best = keras.saving.load_model(folder.best, compile=False)
    evaluation = Evaluation(training, best, "test")
    outcome.write(training, best, evaluation.measure(), evaluation.metrics)
    folder.settle(training.best["epoch"])
    return Result(best, progress.rows, training.best, folder)


def _done(options, folder, source):
    """Returns the Result of a training that has ended."""
    progress = resume.find(folder).progress
    images.check(folder, source, progress.skipped)
    print(f"{folder.path} is done; with more epochs it goes on, {named('fresh')} starts over")
    outcome.tell_commands(options.task, folder)
    best = keras.saving.load_model(folder.best, compile=False)
    return Result(best, progress.rows, options.task.monitor.best(progress.rows), folder)
