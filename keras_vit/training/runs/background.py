"""Work beside the main thread, one job at a time, whose errors are not lost."""

import concurrent.futures
from collections.abc import Callable


class Background:
    """Runs a job in a thread while the caller goes on; what it raises, the caller's next call raises."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(1)
        self._job: concurrent.futures.Future | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Calls `work()` in the thread, once the job before has ended."""
        self.wait()
        self._job = self._executor.submit(work)

    def check(self) -> None:
        """Raises what the job has raised so far; doesn't wait."""
        if self._job is not None and self._job.done():
            self.wait()

    def wait(self) -> None:
        """Waits for the end of the job, and raises what it raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()
