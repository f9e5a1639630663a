"""SIGTERM: how schedulers say that they are about to take a machine away.

A `strategy` is a tf.distribute strategy.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from keras_vit.backend import load
from keras_vit.training.devices import cluster

STATUS = 128 + signal.SIGTERM
SECONDS = 1.0  # between two questions to the other workers


class Termination:
    """Tells whether this process, or any other worker of `strategy`, was asked to end.

    Every worker calls the methods at the same places of its work, so that all end after the same step.
    """

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.noticed = self.ended = False
        self._calls = self._wait = 1
        self._since = None

    def asked(self) -> bool:
        """Returns whether to end now; several workers learn of each other about once a second."""
        if cluster.size(self.strategy) == 1:
            return self.noticed
        self._wait -= 1
        return self._wait <= 0 and self._asked_anywhere()

    def end(self, message: str) -> NoReturn:
        """Ends all workers with status 143 once the chief is here; it says `message` on stderr."""
        self.ended = True
        if cluster.size(self.strategy) > 1:
            with contextlib.suppress(load("tensorflow").errors.OpError):  # one that was killed meanwhile
                cluster.from_chief(self.strategy)
        if cluster.is_chief(self.strategy):
            print(message, file=sys.stderr, flush=True)
        raise SystemExit(STATUS)

    def _asked_anywhere(self):
        now = time.monotonic()
        if self._since is not None:  # what lies before the first call is no measure: it was compiled
            self._calls = max(1, round(self._calls * SECONDS / max(now - self._since, 1e-3)))
        chief = cluster.is_chief(self.strategy)
        noticed, calls, ones = cluster.total(self.strategy, [self.noticed, chief * self._calls, chief])
        self._since, self._calls = time.monotonic(), int(calls // ones)  # `ones`: the chief has several devices
        self._wait = self._calls
        return bool(noticed)


@contextlib.contextmanager
def noticing(strategy: Any) -> Iterator[Termination]:
    """Yields a Termination that notices SIGTERM while inside; one that came too late for it acts afterwards.

    Outside the main thread, where no signal can be handled, it notices what other workers were told.
    """
    termination = Termination(strategy)
    if threading.current_thread() is not threading.main_thread():
        yield termination
        return

    def notice(*_):
        termination.noticed = True

    before = signal.signal(signal.SIGTERM, notice)
    try:
        yield termination
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None is one that was not set by Python
        if termination.noticed and not termination.ended and sys.exc_info()[0] is None:
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def exiting() -> Iterator[None]:
    """Within it SIGTERM raises SystemExit(143), so that what this process started can be ended with it.

    Outside the main thread, where no signal can be handled, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_):
        raise SystemExit(STATUS)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
