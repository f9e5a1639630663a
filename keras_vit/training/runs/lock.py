"""One process at a time in the folder of a run."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from keras_vit.files import folder, write_json, writing
from keras_vit.training.runs.provenance import now

PATIENCE = 1.0  # seconds: as long as another process may take to look whether the lock is taken


class BusyError(RuntimeError):
    """Another process has the lock; the message says which."""


class RunLock:
    """A lock of the operating system in `folder`, which ends with its process, however that ends.

    Where the file system knows no locks, a marker with the process' number takes its place, with filelock's warning.
    """

    NAMES = ("lock", "holder.json")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock, self._holder = (folder / name for name in self.NAMES)
        self._held = False

    def holder(self) -> str | None:
        """Returns who else works in the folder, in words; None where nobody does."""
        if self._held or not self._lock.exists():
            return None
        try:
            with FileLock(self._lock).acquire(timeout=0):
                return None
        except Timeout:
            return self._told()
        except PermissionError:  # we may read a finished run here, and could not work here ourselves
            return None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock, making the folder; BusyError, which says who has it, where that is another process."""
        lock = FileLock(self._lock)
        with writing(folder(self.folder)), contextlib.suppress(Timeout):  # an OSError too
            lock.acquire(timeout=PATIENCE)
        if not lock.is_locked:
            raise BusyError(self._told())
        self._held = True
        try:
            write_json(self._holder, {"pid": os.getpid(), "host": platform.node(), "since": now()})
            yield
        finally:
            self._held = False
            self._holder.unlink(missing_ok=True)
            lock.release()

    def _told(self):
        try:
            told = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {told['pid']} on {told['host']}, since {told['since']}"
        except (OSError, ValueError, TypeError, KeyError):
            return "another process"
