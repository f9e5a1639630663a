"""The folder that holds one training: what it was asked to do, where it stands, what came out."""

import csv
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_vit import nested
from keras_vit.files import replacing, write_json
from keras_vit.training.options import identity, task_of
from keras_vit.training.options_file import renamed

WRITER = "keras_vit"


class RunError(ValueError):
    """A folder that can't take the run asked for; the message says why and what could be done."""


class RunFolder:
    """The files of a run below `path`, which was asked for with the dataclass `options`.

    Options that don't change the result, such as where it is kept and on which devices, are not part of what a
    run was asked for.
    """

    def __init__(self, path: str | os.PathLike, options: Any) -> None:
        self.path = Path(path)
        self.asked = identity(options)
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

    def check(self, fresh: bool = False) -> None:
        """Raises RunError where the folder can't take this run; changes nothing."""
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"output {str(self.path)!r} is a file; name a folder")
        if not self.options.exists():
            self._check_is_empty()
            return
        there = self._read_options()
        if fresh:
            return
        if self.result.exists() and not (self.best.exists() and self.state.exists()):
            raise RunError(f"the model or the state beside {self.result} was removed; start over with fresh")
        if self.state.exists() and there != self.asked:
            raise RunError(
                f"output {str(self.path)!r} holds a run with other options: "
                f"{differences(there, self.asked)}; name another output, or start over there with fresh"
            )

    def begin(self, fresh: bool = False) -> None:
        """Makes the folder ready; with `fresh` removes what a run had written here, and nothing else.

        A run that saved no state is not worth keeping, whatever its options were.
        """
        self.check(fresh)
        if fresh or not self.state.exists():
            self._remove_run()
        self.state.parent.mkdir(parents=True, exist_ok=True)
        options = {key: value for key, value in self.asked.items() if key != "task"}
        write_json(self.options, {"written_by": WRITER, **self.task, "options": options})

    def is_done(self) -> bool:
        """Returns whether the run has ended."""
        return self.result.exists()

    def kept(self) -> list[Path]:
        """Returns the files from which a run goes on, those that exist."""
        files = [self.options, self.history, self.best, self.result, *self.state.parent.glob("*")]
        return [each for each in files if each.is_file() and not each.name.startswith("tmp-")]

    def best_of(self, epoch: int) -> Path:
        """Returns the path of the model that was best when `epoch` (from 1) ended."""
        return self.state.parent / f"best-{epoch:04d}.keras"

    def publish_best(self, epoch: int) -> None:
        """Copies the best model to where people look for it, and drops the models that it has beaten."""
        with replacing(self.best) as partial:
            shutil.copyfile(self.best_of(epoch), partial)
        for each in self.state.parent.glob("*best-*.keras"):  # tmp-best-… too: left by a kill
            if each != self.best_of(epoch):
                each.unlink()

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Writes the rows of metrics, one an epoch, as CSV."""
        with replacing(self.history) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    def _read_options(self):
        try:
            there = json.loads(self.options.read_text(encoding="utf-8"))
            if there["written_by"] == WRITER:
                own = {key: each for key, each in there.items() if key == "task"}
                return self._default | own | renamed(there["options"])  # a younger option had its default
        except (ValueError, TypeError, KeyError, IndexError):
            pass  # not ours, as below
        raise RunError(f"{self.options} was not written by a recipe of {WRITER}; name another output")

    def _check_is_empty(self):
        found = sorted(each.name for each in self.path.iterdir()) if self.path.exists() else []
        # what a kill leaves behind that came just before options.json was there
        foreign = [name for name in found if name not in ("state", f"tmp-{self.options.name}")]
        if "state" in found and any(self.state.parent.iterdir()):
            foreign.append("state")
        if foreign:
            raise RunError(
                f"output {str(self.path)!r} holds files that no run of this recipe wrote, "
                f"such as {foreign[0]!r}; name a new or empty folder"
            )

    def _remove_run(self):
        """Removes options.json last, so that a kill in between leaves a folder that is still a run's."""
        ours = [self.result, self.best, self.history, self.curves, *self.reported, self.state]
        ours += [each for each in self.path.glob("state/*") if re.fullmatch(r"(tmp-)?best-\d+\.keras", each.name)]
        ours += self.tensorboard.glob("*/events.out.tfevents.*")
        ours += self.tensorboard.glob("*/plugins/profile/*/*.pb")
        for each in [*ours, self.options]:
            each.unlink(missing_ok=True)
            each.with_name(f"tmp-{each.name}").unlink(missing_ok=True)
        for folder in (*sorted(self.tensorboard.glob("**/"), reverse=True), self.state.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Returns what differs between two dicts of options, in words."""
    named = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    return ", ".join(f"{key} is {there.get(key)!r} there and {here.get(key)!r} here" for key in named)
