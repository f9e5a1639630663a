"""The folder of a search: its options, the log of its trials, one run a trial, and the result."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from keras_vit import files, nested
from keras_vit.files import read_json, write_json
from keras_vit.nested import named
from keras_vit.training.options import identity
from keras_vit.training.options_file import renamed
from keras_vit.training.runs.folder import WRITER, RunError, differences


class SearchFolder:
    """The files of the search with the options `search`, on which several processes on one disk may work."""

    def __init__(self, path: str | os.PathLike, search: Any) -> None:
        self.path = Path(path)
        self._asked, self._default = identity(search), identity(nested.defaults(search))
        self.options = self.path / "search.json"
        self.events = self.path / "events.json"
        self.locks = self.path / "locks"
        self.trials = self.path / "trials"
        self.best_options = self.path / "best-options.json"
        self.leaderboard = self.path / "leaderboard.csv"
        self.picture = self.path / "parallel-coordinates.png"
        self.result = self.path / "result.json"

    def begin(self, fresh: bool = False) -> None:
        """Makes the folder ready; `fresh` removes what a search had written here, and nothing else.

        Raises RunError, and changes nothing, where the folder can't take this search.
        """
        self._check(fresh)
        files.folder(self.locks)
        with FileLock(self.locks / "log"):
            for each in files.leftovers(*self._files()):  # by a kill: whoever writes them has the lock
                each.unlink()
            if fresh:
                self._remove()
            if not self.events.exists():
                write_json(self.options, {"written_by": WRITER, "search": self._asked})
                write_json(self.events, [])
            files.folder(self.trials)

    @contextlib.contextmanager
    def log(self) -> Iterator[list[dict[str, Any]]]:
        """Yields the events of the search to one process at a time; what it appends is written at the end."""
        with FileLock(self.locks / "log"):
            events = read_json(self.events)
            before = len(events)
            yield events
            if len(events) > before:
                write_json(self.events, events)

    def claim(self, number: int) -> Any:
        """Returns a context within which no other process trains the trial; None if another does."""
        with contextlib.suppress(Timeout):
            return FileLock(self.locks / str(number)).acquire(timeout=0)

    def run_of(self, number: int) -> Path:
        """Returns the folder of the training of a trial; what it prints goes to a file beside it, with .log."""
        return self.trials / str(number)

    def epochs_of(self, number: int) -> int:
        """Returns how many lines the history of a trial has."""
        history = self.run_of(number) / "history.csv"
        return len(history.read_text(encoding="utf-8").splitlines()) if history.exists() else 0

    def _check(self, fresh):
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"output {str(self.path)!r} is a file; name a folder")
        if not self.options.exists():
            begun = {"locks", *(each.name for each in files.leftovers(self.options))}
            if foreign := sorted({each.name for each in self.path.glob("*")} - begun):
                raise RunError(f"output {str(self.path)!r} holds no search but {foreign[0]!r}; name a new folder")
            return
        there = self._asked_there()
        if not fresh and there != self._asked:
            raise RunError(
                f"output {str(self.path)!r} holds a search with other options: {differences(there, self._asked)}; "
                f"name another {named('output')}, or start over there with {named('fresh')}"
            )
        if not fresh and (self.path / "oracle").exists():
            raise RunError(
                f"output {str(self.path)!r} holds a search of an older version; start over with {named('fresh')}"
            )

    def _asked_there(self):
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):
            there = read_json(self.options)
            if there["written_by"] == WRITER:
                return self._default | renamed(there["search"])  # as RunFolder does
        raise RunError(f"{self.options} was not written by a search of {WRITER}; name another {named('output')}")

    def _remove(self):
        for number in (each.name for each in self.locks.iterdir() if each.name.isdigit()):
            if (claim := self.claim(number)) is None:
                raise RunError(
                    f"output {str(self.path)!r} is in use by another process; end it before {named('fresh')} starts "
                    "over"
                )
            claim.lock.release()
        for folder in (self.trials, self.path / "oracle"):  # the last of an older version
            shutil.rmtree(folder, ignore_errors=True)
        for file in self._files():
            if file != self.options:
                file.unlink(missing_ok=True)

    def _files(self):
        return self.options, self.events, self.best_options, self.leaderboard, self.picture, self.result
