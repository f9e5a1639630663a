"""The folder that holds one search: what it was asked, its trials, each a run of its own, and what came out."""

import shutil
from pathlib import Path

from keras_vit import nested
from keras_vit.files import read_json, write_json
from keras_vit.training.options import identity, renamed
from keras_vit.training.runs.folder import WRITER, RunError, differences

STARTS = 3  # of a trial's process without an epoch completed, before the trial counts as failed


class SearchFolder:
    """The files of a search below `path`, which was asked for with the dataclass `search`."""

    def __init__(self, path, search):
        self.path = Path(path)
        self.asked, self._default = identity(search), identity(nested.defaults(search))
        self.options = self.path / "search.json"
        self.oracle = self.path / "oracle"
        self.trials = self.path / "trials"
        self.best_options = self.path / "best-options.json"
        self.leaderboard = self.path / "leaderboard.csv"
        self.picture = self.path / "parallel-coordinates.png"
        self.result = self.path / "result.json"

    def check(self, fresh=False):
        """Raises RunError where the folder can't take this search; changes nothing."""
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"output {str(self.path)!r} is a file; name a folder")
        if not self.options.exists():
            if self.path.exists() and (found := sorted(self.path.iterdir())):
                raise RunError(f"output {str(self.path)!r} holds no search but {found[0].name!r}; name a new folder")
            return
        there = self._asked_there()
        if not fresh and there != self.asked:
            raise RunError(
                f"output {str(self.path)!r} holds a search with other options: {differences(there, self.asked)}; "
                "name another output, or start over there with fresh"
            )

    def begin(self, fresh=False):
        """Makes the folder ready; with `fresh` removes what a search had written here, and nothing else."""
        self.check(fresh)
        if fresh:
            for each in (self.oracle, self.trials):
                shutil.rmtree(each, ignore_errors=True)
            for each in (self.best_options, self.leaderboard, self.picture, self.result):
                each.unlink(missing_ok=True)
        self.trials.mkdir(parents=True, exist_ok=True)
        write_json(self.options, {"written_by": WRITER, "search": self.asked})

    def run_of(self, trial_id):
        """Returns the folder of the training of a trial."""
        return self.trials / trial_id

    def log_of(self, trial_id):
        """Returns the file to which a trial's training prints."""
        return self._record(trial_id, "log.txt")

    def fail(self, trial_id, sentence):
        """Keeps why a trial failed."""
        write_json(self._record(trial_id, "failure.json"), {"failure": sentence})

    def failure_of(self, trial_id):
        """Returns why a trial failed, None where nobody said."""
        path = self._record(trial_id, "failure.json")
        return read_json(path)["failure"] if path.exists() else None

    def result_of(self, trial_id):
        """Returns what the training of a trial came to, {} where it has not ended."""
        path = self.run_of(trial_id) / "result.json"
        return read_json(path) if path.exists() else {}

    def is_hopeless(self, trial_id):
        """Tells whether the process of a trial was killed `STARTS` times before an epoch ended; counts this start."""
        path, history = self._record(trial_id, "starts.json"), self.run_of(trial_id) / "history.csv"
        epochs = len(history.read_text(encoding="utf-8").splitlines()) if history.exists() else 0
        before = read_json(path) if path.exists() else {"starts": 0, "epochs": epochs}
        if self.result_of(trial_id):
            return False
        starts = 1 + (before["starts"] if before["epochs"] == epochs else 0)
        write_json(path, {"starts": starts, "epochs": epochs})
        return starts > STARTS

    def forget_start(self, trial_id):
        """Takes a start back: the trial was stopped by hand."""
        self._record(trial_id, "starts.json").unlink(missing_ok=True)

    def _record(self, trial_id, name):
        folder = self.oracle / f"trial_{trial_id}"  # where keras_tuner keeps what it knows of the trial
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def _asked_there(self):
        try:
            there = read_json(self.options)
            if there["written_by"] == WRITER:
                return self._default | renamed(there["search"])  # as RunFolder does
        except (ValueError, TypeError, KeyError, IndexError):
            pass  # not ours, as below
        raise RunError(f"{self.options} was not written by a search of {WRITER}; name another output")
