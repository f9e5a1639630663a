"""Work beside the main thread, one job at a time, whose errors are not lost."""

import concurrent.futures


class Background:
    """Runs a job in a thread while the caller goes on; what it raises, the caller's next call raises."""

    def __init__(self):
        self._executor = concurrent.futures.ThreadPoolExecutor(1)
        self._job = None

    def start(self, work):
        """Calls `work()` in the thread, once the job before has ended."""
        self.wait()
        self._job = self._executor.submit(work)

    def check(self):
        """Raises what the job has raised so far; doesn't wait."""
        if self._job is not None and self._job.done():
            self.wait()

    def wait(self):
        """Waits for the end of the job, and raises what it raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()
