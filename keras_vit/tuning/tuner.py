"""The loop of a search: keras_tuner proposes options, a training evaluates them, a log keeps both."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_vit.files import WriteError, writing

if TYPE_CHECKING:
    from keras_vit.tuning.oracles import Proposer
    from keras_vit.tuning.search_folder import SearchFolder

STARTS = 3  # of a trial's process without a completed epoch, before the trial counts as failed


def search(
    folder: "SearchFolder",
    proposer: "Proposer",
    trials: float,
    evaluate: Callable[[int, dict[str, Any]], dict[str, float]],
) -> Iterator[int]:
    """Evaluates trials in the SearchFolder `folder` until `trials` have ended, beside other processes that do so.

    `evaluate(number, values)` returns the numbers of a trial; the trial fails with what that raises, and the search
    goes on. Yields the number of each trial when it has ended.
    """
    while True:
        with folder.log() as events:
            number, claim = _claim(folder, events, proposer, trials)
            if claim is not None:
                events.append({"started": number, "epochs": folder.epochs_of(number)})
            elif all("ended" in trial for trial in trials_of(events)):
                return
        if claim is None:
            time.sleep(1)  # other processes have all the work that there is
            continue
        with claim:
            outcome = _outcome(folder, number, events, evaluate)
            with folder.log() as events:
                events.append({"ended": number} | outcome)
        yield number


def trials_of(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns {"values": …} of each trial, by its number, with "ended" and "best" or "failure" where it has."""
    trials = [{"values": event["proposed"]} for event in events if event.get("proposed")]
    for event in events:
        if "ended" in event:
            trials[event["ended"]] |= event
    return trials


def _claim(folder, events, proposer, trials):
    """Returns the number of a trial to evaluate and a context that claims it, None and None where there is none."""
    proposed = trials_of(events)
    for number, trial in enumerate(proposed):
        if "ended" not in trial and (claim := folder.claim(number)) is not None:
            return number, claim
    decisive = [event for event in events if "proposed" in event or "ended" in event]
    if len(proposed) >= trials or decisive[-1:] == [{"proposed": None}]:
        return None, None
    events.append({"proposed": proposer.propose(events)})
    return (len(proposed), folder.claim(len(proposed))) if events[-1]["proposed"] else (None, None)


def _starts(events, number):
    """Returns how often the trial was started since an epoch of it ended or it was stopped."""
    own = [event for event in reversed(events) if number in (event.get("started"), event.get("stopped"))]
    return len(list(itertools.takewhile(lambda event: event.get("epochs") == own[0]["epochs"], own)))


def _log(path):
    with writing(path):
        return open(path, "a", encoding="utf-8")


def _outcome(folder, number, events, evaluate):
    """Returns {"best": the numbers of the trial} or {"failure": a sentence}."""
    try:
        if _starts(events, number) > STARTS:
            raise ChildProcessError("its process ended again and again before an epoch did, as without memory")
        with _log(f"{folder.run_of(number)}.log") as log, contextlib.redirect_stdout(log):
            return {"best": evaluate(number, trials_of(events)[number]["values"])}
    except (KeyboardInterrupt, SystemExit, WriteError):  # a full disk is no fault of the trial
        with folder.log() as events:
            events.append({"stopped": number})
        raise
    except Exception as error:
        message = str(error).strip().partition("\n")[0][:300]
        ours = isinstance(error, (ValueError, ArithmeticError, OSError)) and message
        return {"failure": message if ours else f"{type(error).__name__}: {message}"}
    finally:
        keras.utils.clear_session()
