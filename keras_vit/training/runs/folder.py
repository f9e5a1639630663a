"""The folder that holds one training: what it was asked to do, where it stands, what came out."""

import contextlib
import csv
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_vit import files, nested
from keras_vit.files import leftovers, read_json, replacing, write_json
from keras_vit.nested import named
from keras_vit.training.options import SIZED, identity, task_of
from keras_vit.training.options_file import renamed
from keras_vit.training.runs.lock import BusyError, RunLock

WRITER = "keras_vit"
LENGTH = "epochs"  # the one option that may be another when a run goes on


class RunError(ValueError):
    """A folder that can't take the run asked for; the message says why and what could be done."""


class RunFolder:
    """The files of a run below `path`, which was asked for with the dataclass `options`.

    Options that don't change the result, such as where it is kept and on which devices, are not part of what a
    run was asked for. Of another number of epochs it is another run, but one that this may become.
    """

    def __init__(self, path: str | os.PathLike, options: Any) -> None:
        self.path = Path(path)
        self.asked = identity(options)
        self._chosen: list[str] = []  # of what was asked for as None, what the training has chosen
        self._default = identity(nested.defaults(options))
        self.task = task_of(options)
        self.options = self.path / "options.json"
        self.result = self.path / "result.json"
        self.best = self.path / "best.keras"
        self.history = self.path / "history.csv"
        self.curves = self.path / "curves.png"
        self.reported = [self.path / name for name in getattr(getattr(options, "task", None), "files", ())]
        self.tensorboard = self.path / "tensorboard"
        self.state = self.path / "state" / "latest.npz"
        self.earlier = self.path / "state" / "earlier.npz"  # the state before it
        self.images = self.path / "images.json"
        self._lock = RunLock(self.state.parent)

    def check(self, fresh: bool = False) -> None:
        """Raises RunError where the folder can't take this run; changes nothing."""
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"output {str(self.path)!r} is a file; name a folder")
        if not self.options.exists():
            self._check_is_empty()
            return
        if (holder := self._lock.holder()) is not None:
            raise self._busy(holder)
        there = self._read_options()
        if fresh:
            return
        if self.result.exists() and not (self.best.exists() and self.has_state()):
            raise RunError(f"the model or the state beside {self.result} was removed; start over with {named('fresh')}")
        if self.has_state() and there | {LENGTH: None} != self._here(there) | {LENGTH: None}:
            raise self._other(there)

    def check_length(self, fresh: bool = False) -> None:
        """Raises RunError where the run here was asked for another number of epochs.

        It could go on to them, but would not be what others are that were asked for these from the start.
        """
        if self.has_state() and not fresh and (there := self._read_options()) != self._here(there):
            raise self._other(there)

    def check_done(self, epochs: int) -> None:
        """Raises RunError where more than the epochs asked for, `epochs` of them, are done."""
        if epochs > self.asked[LENGTH]:
            raise RunError(
                f"output {str(self.path)!r} holds a run of {epochs} epochs, which can't become one of "
                f"{self.asked[LENGTH]}; give {named(LENGTH)} of {epochs} or more, name another {named('output')}, or "
                f"start over there with {named('fresh')}"
            )

    def chosen(self) -> dict[str, Any]:
        """Returns {name: value} of what the run here has chosen for itself, and keeps when it goes on."""
        if not self.has_state():
            return {}
        there, chosen = self._read_options(), read_json(self.options).get("chosen")
        found = {name: there.get(name) for name in SIZED if isinstance(chosen, list) and name in chosen}
        return {name: value for name, value in found.items() if value is not None}

    def choose(self, options: Any) -> None:
        """Takes the options of which nothing is left to be chosen."""
        self._chosen = [name for name in SIZED if self.asked[name] is None]
        self.asked = identity(options)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within it no other process may begin here; RunError where one has. Ends with the process, however it ends."""
        try:
            with self._lock.held():
                yield
        except BusyError as error:
            raise self._busy(error) from None

    def begin(self, fresh: bool = False) -> None:
        """Makes the folder ready; with `fresh` removes what a run had written here, and nothing else.

        A run that saved no state is not worth keeping, whatever its options were. Nothing is written to one that is
        done, which may lie where nobody can write; the result of other epochs goes before the options are these.
        """
        self.check(fresh)
        if self.is_done() and not fresh:
            return
        if fresh or not self.has_state():
            self._remove_run()
        self.result.unlink(missing_ok=True)
        for each in [*leftovers(*self._files()), *self._models()]:
            if each.name.startswith("tmp-"):  # left by a kill
                each.unlink()
        files.folder(self.state.parent)
        options = {key: value for key, value in self.asked.items() if key != "task"}
        chosen = {"chosen": self._chosen} if self._chosen else {}
        write_json(self.options, {"written_by": WRITER, **self.task, "options": options} | chosen)

    def is_done(self) -> bool:
        """Returns whether the run has ended, with the number of epochs that it is asked for."""
        return self.result.exists() and self.length() == self.asked[LENGTH]

    def length(self) -> int:
        """Returns how many epochs the run here was asked for when it last began."""
        return self._read_options()[LENGTH]

    def kept(self) -> list[Path]:
        """Returns the files from which a run goes on, those that exist."""
        found = [self.options, self.images, self.history, self.best, self.result, self.state, self.earlier]
        found += [each for each in self._models() if not each.name.startswith("tmp-")]
        return [each for each in found if each.is_file()]

    def has_state(self) -> bool:
        """Returns whether the run has saved a state to go on from."""
        return self.state.exists() or self.earlier.exists()

    def best_of(self, epoch: int) -> Path:
        """Returns the path of the model that was best when `epoch` (from 1) ended."""
        return self.state.parent / f"best-{epoch:04d}.keras"

    def publish_best(self, epoch: int) -> None:
        """Copies the best model to where people look for it."""
        with replacing(self.best) as partial:
            shutil.copyfile(self.best_of(epoch), partial)

    def drop_models(self, but: Iterable[int]) -> None:
        """Removes the models that were best when an epoch ended, but those of the epochs that are given."""
        kept = {self.best_of(epoch) for epoch in but}
        for each in self._models():
            if each not in kept:
                each.unlink()

    def settle(self, epoch: int) -> None:
        """Keeps of a finished run its last state and the model that was best, of `epoch`."""
        self.earlier.unlink(missing_ok=True)
        self.drop_models(but={epoch})

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Writes the rows of metrics, one an epoch, as CSV; what one of an older version lacks stays empty."""
        with replacing(self.history) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, dict.fromkeys(name for row in rows for name in row))
            writer.writeheader()
            writer.writerows(rows)

    def _read_options(self):
        try:
            there = read_json(self.options)
            if there["written_by"] == WRITER:
                own = {key: each for key, each in there.items() if key == "task"}
                return self._default | own | renamed(there["options"])  # a younger option had its default
        except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            pass  # not ours, as below
        raise RunError(f"{self.options} was not written by a recipe of {WRITER}; name another {named('output')}")

    def _check_is_empty(self):
        found = sorted(each.name for each in self.path.iterdir()) if self.path.exists() else []
        # what a kill leaves behind that came just before options.json was there
        begun = {"state", *(each.name for each in leftovers(self.options))}
        foreign = [name for name in found if name not in begun]
        if "state" in found and not {each.name for each in self.state.parent.iterdir()}.issubset(RunLock.NAMES):
            foreign.append("state")
        if foreign:
            raise RunError(
                f"output {str(self.path)!r} holds files that no run of this recipe wrote, "
                f"such as {foreign[0]!r}; name a new or empty folder"
            )

    def _remove_run(self):
        """Removes options.json last, so that a kill in between leaves a folder that is still a run's."""
        ours = [*self._files(), *self._models()]
        ours += self.tensorboard.glob("*/events.out.tfevents.*")
        ours += self.tensorboard.glob("*/plugins/profile/*/*.pb")
        for each in [*ours, *leftovers(*self._files()), self.options]:
            each.unlink(missing_ok=True)
        for folder in (*sorted(self.tensorboard.glob("**/"), reverse=True), self.state.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _files(self):
        """Returns the files of the run beside its options, its models of epochs and its logs."""
        shown = [self.result, self.images, self.best, self.history, self.curves, *self.reported]
        return [*shown, self.state, self.earlier]

    def _models(self):
        """Returns the models that were best when an epoch ended, whole or left by a kill."""
        found = self.state.parent.glob("*best-*.keras")
        return [each for each in found if re.fullmatch(r"(tmp-([0-9a-f]{8}-)?)?best-\d+\.keras", each.name)]

    def _here(self, there):
        """Returns what is asked for, where nothing was given what the run `there` has chosen."""
        return self.asked | {name: there.get(name) for name in SIZED if self.asked.get(name, "") is None}

    def _other(self, there):
        return RunError(
            f"output {str(self.path)!r} holds a run with other options: {differences(there, self._here(there))}; "
            f"name another {named('output')}, or start over there with {named('fresh')}"
        )

    def _busy(self, who):
        return RunError(
            f"output {str(self.path)!r} is in use by {who}; wait until it has ended, end it, or name another "
            f"{named('output')}"
        )


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Returns what differs between two dicts of options, in words."""
    named = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    return ", ".join(f"{key} is {there.get(key)!r} there and {here.get(key)!r} here" for key in named)
