"""Several processes, on one machine or more, that train one model together.

A `strategy` is a tf.distribute strategy.
"""

import contextlib
import functools
import json
import os
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_vit.backend import load
from keras_vit.nested import named
from keras_vit.training.errors import DivergedError, WorkerLostError
from keras_vit.training.options import Options
from keras_vit.training.runs.folder import RunError, RunFolder, differences

VARIABLE = "TF_CONFIG"
CHUNK = 2**21  # numbers of 8 bytes that are sent at once


def join(workers: str | None = None, index: int | None = None) -> Any:
    """Returns the MultiWorkerMirroredStrategy of the cluster that `workers` and `index`, or TF_CONFIG, describe.

    It waits until all workers are there. TF_CONFIG describes the cluster from then on. Raises ValueError where the
    description makes no sense.
    """
    with _kept_if_refused(VARIABLE):
        if workers is not None or index is not None:
            os.environ[VARIABLE] = json.dumps(described(workers, index))
        strategy = _joined(check(os.environ.get(VARIABLE)))
    if threading.current_thread() is threading.main_thread():
        # TensorFlow takes SIGTERM for itself, and a process that is asked to end before it trains would not
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)
    return strategy


def _joined(config):
    tf = load("tensorflow")
    count = sum(map(len, config["cluster"].values()))
    if count > 1 and config["task"]["type"] == min(config["cluster"]) and int(config["task"]["index"]) == 0:
        print(f"the chief of {count} workers waits until all are there", flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:
        raise ValueError(f"the address of this worker in {config} can't be listened on; is it taken?") from error
    except RuntimeError as error:
        if "at program startup" not in str(error):
            raise
        raise ValueError("a cluster can be joined only before TensorFlow computes anything in this process") from error


@contextlib.contextmanager
def _kept_if_refused(name):
    """Gives the variable of the environment its value of before if an error ends the block: what follows reads it."""
    before = os.environ.get(name)
    try:
        yield
    except BaseException:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
        raise


def described(workers: str | None, index: int | None) -> dict[str, Any]:
    """Returns the TF_CONFIG of `workers`, "host:port,host:port", in which this process is number `index`."""
    if workers is None or index is None:
        raise ValueError(
            f"{named('workers')} and {named('index')} go together: host:port,host:port and 0 on the first of them"
        )
    addresses = [each.strip() for each in workers.split(",")]
    if wrong := [each for each in addresses if not re.fullmatch(r"\S+:\d+", each)]:
        raise ValueError(f"{wrong[0]!r} in workers is not of the form host:port")
    if len(set(addresses)) < len(addresses):
        raise ValueError(f"an address stands twice in workers {workers!r}; each process needs its own")
    if not 0 <= index < (count := len(addresses)):
        raise ValueError(f"index {index} does not name one of {count} workers; it is 0 to {count - 1}")
    return {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}


def check(text: str | None) -> dict[str, Any]:
    """Returns the TF_CONFIG in `text`; raises ValueError where it is none of workers alone."""
    example = json.dumps(described("host1:2222,host2:2222", 0))
    if not text:
        raise ValueError(
            f"the strategy multiworker needs {named('workers')} and {named('index')}, or {VARIABLE} such as {example}"
        )
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        known = jobs.keys() <= {"chief", "worker"} and 0 <= int(task["index"]) < len(jobs[task["type"]])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{VARIABLE} is {text!r}, which has no such form as {example}") from error
    if not known:
        raise ValueError(f"{VARIABLE} is {text!r}; its jobs are chief and worker alone, and its task is one of them")
    return config


def size(strategy: Any) -> int:
    """Returns how many workers `strategy` has."""
    resolver = strategy.cluster_resolver
    return 1 if resolver is None else max(1, sum(map(len, resolver.cluster_spec().as_dict().values())))


def is_chief(strategy: Any) -> bool:
    """Returns whether this process writes the files: it is the chief, or the first worker where no task is "chief"."""
    resolver = strategy.cluster_resolver
    if resolver is None or size(strategy) == 1:
        return True
    return resolver.task_type == ("chief" if "chief" in resolver.cluster_spec().jobs else "worker") and (
        resolver.task_id == 0
    )


@contextlib.contextmanager
def workplace(strategy: Any, options: Options) -> Iterator[RunFolder]:
    """Yields the RunFolder in which this process does its work, checked: the run's own for the chief.

    Any other worker works in a temporary copy of it and is silent. All do the same in the same order, since a
    step that one leaves out would keep the others waiting; and only the chief needs the disk of the run.
    Raises RunError where the folder can't take this run, and WorkerLostError where another worker ends.
    """
    with _telling_who_is_lost(strategy, options.run.output):
        if is_chief(strategy):
            folder = RunFolder(options.run.output, options)
            _send(strategy, folder, options.run.fresh)
            yield folder
            return
        with tempfile.TemporaryDirectory() as place, _silence():
            folder = RunFolder(place, options)
            _receive(strategy, folder)
            folder.check(options.run.fresh)
            try:
                yield folder
            except DivergedError:
                sys.exit(1)  # the chief has said it


@contextlib.contextmanager
def chief_first(strategy: Any) -> Iterator[None]:
    """Lets the other workers in when the chief is through: on one disk they must not prepare the same data at once."""
    if is_chief(strategy):
        yield
    if size(strategy) > 1:
        from_chief(strategy)
    if not is_chief(strategy):
        yield


def from_chief(strategy: Any, data: bytes = b"") -> bytes:
    """Returns the bytes `data` of the chief on every worker."""
    (length,) = _shared(strategy, np.array([len(data)], "int64"))
    padded = np.zeros(-(-int(length) // 8), "int64")
    padded.view("uint8")[: len(data)] = np.frombuffer(data, "uint8")
    parts = [_shared(strategy, padded[i : i + CHUNK]) for i in range(0, len(padded), CHUNK)]
    return b"".join(part.tobytes() for part in parts)[:length]


def total(strategy: Any, numbers: Sequence[int]) -> np.ndarray:
    """Returns the sums over the devices of all workers of `numbers`, a list of whole numbers."""
    return _summed(strategy, np.array(numbers, "int64"), of_all=True)


def _shared(strategy, numbers):
    return _summed(strategy, numbers, of_all=False)


def _summed(strategy, numbers, of_all):
    tf = load("tensorflow")
    results = strategy.run(_sum(strategy), args=(tf.constant(numbers), tf.constant(of_all)))
    return strategy.experimental_local_results(results)[0].numpy()


@functools.cache  # to be traced once
def _sum(strategy):
    """Returns a function that adds up what all devices give it, or takes what the first device of the chief does."""
    tf = load("tensorflow")

    @tf.function
    def sum_of(numbers, of_all):
        context = tf.distribute.get_replica_context()
        counts = of_all | tf.equal(context.replica_id_in_sync_group, 0)
        return context.all_reduce("SUM", tf.where(counts, numbers, tf.zeros_like(numbers)))

    return sum_of


def _send(strategy, folder, fresh):
    """Tells the other workers what `folder` was asked for, why it can't be had, or the files that it holds."""
    if size(strategy) == 1:
        return folder.check(fresh)
    said = {"asked": folder.asked, "files": [], "refused": None}
    try:
        folder.check(fresh)
        said["files"] = [] if fresh else [str(each.relative_to(folder.path)) for each in folder.kept()]
    except RunError as error:
        said["refused"] = str(error)
        raise
    finally:
        from_chief(strategy, json.dumps(said).encode())
    for name in said["files"]:
        from_chief(strategy, (folder.path / name).read_bytes())


def _receive(strategy, folder):
    said = json.loads(from_chief(strategy))
    if said["refused"]:
        raise RunError(said["refused"])
    for name in said["files"]:
        data = from_chief(strategy)
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        Path(folder.path, name).write_bytes(data)
    if said["asked"] != folder.asked:
        here = strategy.cluster_resolver.task_id
        raise RunError(
            f"the chief was started with other options than worker {here}: {differences(said['asked'], folder.asked)}"
        )


@contextlib.contextmanager
def _silence():
    """Lets only the chief speak: what the others would say is the same."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _telling_who_is_lost(strategy, output):
    errors = load("tensorflow").errors
    try:
        yield
    except (errors.UnavailableError, errors.AbortedError, errors.DeadlineExceededError) as error:
        if size(strategy) == 1:
            raise
        tasks = {int(number) for number in re.findall(r"/task:(\d+)", str(error))}
        lost = " and ".join(f"worker {task}" for task in sorted(tasks - {strategy.cluster_resolver.task_id}))
        raise WorkerLostError(
            f"{lost or 'another worker'} of the cluster ended or can't be reached, and none can go on alone; "
            f"start all of them again with the same commands: the run in {output} goes on from its last state"
        ) from error
