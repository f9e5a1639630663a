"""Keeps from commands what TensorFlow says of itself whenever it is imported, and lets its errors through.

Its log level doesn't hold for these lines, which C++ writes before it reads the level. A program of somebody's own that
imports keras_vit hears TensorFlow as ever.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec

LEVEL, VARIABLE = "TF_CPP_MIN_LOG_LEVEL", "KERAS_VIT_QUIET"
# a process of its own, so that what TensorFlow says before it crashes arrives too
_READER = r"""
import re, sys
greeting = rb"[IW]\d{4} \d|WARNING: All log messages before absl::InitializeLog|.*Unable to register cu\w+ factory"
for line in sys.stdin.buffer:
    if not re.match(greeting, line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def start() -> None:
    """Lets TensorFlow be imported silently from now on, here and in the processes that this one starts."""
    os.environ.setdefault(LEVEL, "2")  # errors
    os.environ[VARIABLE] = "1"
    if "tensorflow" not in sys.modules and not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def greetings_dropped() -> Iterator[None]:
    """Within it TensorFlow's greetings don't reach stderr, whoever writes there, Python or C++; all else does."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _READER]
    # a session of its own, or Ctrl-C would end it with a traceback
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as reader:
        assert reader.stdin is not None
        try:
            os.dup2(reader.stdin.fileno(), 2)
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


class _Finder:
    """Finds TensorFlow where Python does, and drops its greetings while it is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = greetings_dropped()(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec
