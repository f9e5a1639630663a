"""Reads options from the command line, and answers what can't be done with one line and an exit status."""

import contextlib
import dataclasses
import inspect
import io
import itertools
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import tyro

from keras_vit import nested, synonyms
from keras_vit.files import WriteError
from keras_vit.training import options_file
from keras_vit.training.errors import DivergedError, WorkerLostError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class _Start:
    preset: str | None = None
    options: str | None = None


def parse(
    presets: dict[str, Callable[[], T]],
    description: str,
    arguments: Sequence[str] | None = None,
    kind: Any = None,
    prog: str | None = None,
) -> T:
    """Returns the options of the preset or the file of options named in `arguments`, those given beside it changed.

    `presets` maps names to functions that return one dataclass each, the first the default; --help shows the docstring
    of the one chosen. Model options add to the preset's own, unless another model is named. `kind` is the type of the
    dataclass where it is generic, such as Options[Classify]. --help calls the command `prog`, the module unless given.
    Exits with status 2 where `arguments` can't be used.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen, rest = _parse(_Start, arguments, return_unknown_args=True, add_help=False)
    start = _start(presets, chosen)
    has_model = "model_options" in nested.flat(start)
    module = sys.modules["__main__"].__spec__
    given, unknown = _parse(
        type(start) if kind is None else kind,
        rest,
        default=nested.replace(start, model_options={}) if has_model else start,
        prog=prog or (f"python -m {module.name}" if module else None),
        description=_description(description, presets, chosen.preset or next(iter(presets))),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        return_unknown_args=True,
    )
    if unknown:
        _fail(synonyms.answer(unknown[0], (*nested.flat(start), "preset", "options")))
    if not has_model:
        return given
    before, now = nested.flat(start), nested.flat(given)
    own = before["model_options"] if now["model"] == before["model"] else {}
    return nested.replace(given, model_options=own | now["model_options"])


def run(
    work: Callable[[T], Any],
    presets: dict[str, Callable[[], T]],
    description: str,
    kind: Any = None,
    *,
    arguments: Sequence[str] | None = None,
    prog: str | None = None,
) -> None:
    """Calls `work` with the options that `parse` reads from `arguments`, the command line unless given."""
    call(lambda: work(parse(presets, description, arguments, kind, prog)))


def call(work: Callable[[], T]) -> T:
    """Calls `work()`; what can't be done is a line on stderr, with exit status 2 for input that can't be used."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal can't write is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    try:
        with _plain_warnings():
            return work()
    except (DivergedError, WorkerLostError, WriteError) as error:
        _fail(error, 1)
    except BrokenPipeError:  # as `| head` ends: what is still to be written has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would fail as it flushes at exit
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, OSError, ImportError) as error:
        _fail(error)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last saved state", file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def _plain_warnings():
    """Within it what is meant for people is shown as a sentence, without the line of code that it comes from."""
    usual = warnings.formatwarning

    def plain(message, category, *place, **line):
        if issubclass(category, UserWarning):
            return f"warning: {message}\n"
        return usual(message, category, *place, **line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _start(presets, chosen):
    if chosen.preset is not None and chosen.options is not None:
        _fail(f"--preset {chosen.preset} and --options {chosen.options} are both where to start from; give one")
    if chosen.preset is not None and chosen.preset not in presets:
        hint = nested.did_you_mean(chosen.preset, presets)
        _fail(f"no preset {chosen.preset!r}{hint}; it is one of {', '.join(presets)}")
    start = presets[chosen.preset or next(iter(presets))]()
    if chosen.options is None:
        return start
    try:
        return options_file.read(chosen.options, start)
    except ValueError as error:
        _fail(error)


def _parse(kind, arguments, **options):
    """Calls tyro, whose errors become one line."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(kind, args=arguments, **options)
    except ValueError as error:  # of several groups of options
        _fail(error)
    except SystemExit as stopped:
        if not stopped.code:
            raise
        _fail(_raised(stopped) or _unboxed(printed.getvalue()))


def _raised(error):
    """Returns the sentence of the check of a group of options that ended in `error`, None where none did."""
    while error := error.__context__:
        called = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, ValueError) and "__post_init__" in called:
            return str(error)
    return None


def _unboxed(text):
    """Returns the sentences of tyro's error, which it draws in a box between a title and the way to the help."""
    lines = [line.strip("│╭╮╰╯─ ") for line in text.splitlines()]
    lines = itertools.dropwhile(lambda line: not line.strip("-"), lines[1:])  # a terminal may have no lines to draw
    lines = itertools.takewhile(lambda line: line.strip("-") and not line.startswith("For full helptext"), lines)
    return re.sub(r"\s+", " ", " ".join(lines)) or text


def _description(description, presets, chosen):
    if len(presets) == 1:
        return description
    text = f"{description}\n\n--preset {{{','.join(presets)}}} or --options FILE, such as a run's options.json"
    text += ", chooses the options to start from."
    about = inspect.getdoc(presets[chosen])
    return f"{text}\n\nThe preset {chosen}: {about}" if about else text


def _fail(sentence, status=2) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(status)
