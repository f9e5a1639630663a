"""The contracts of families and of tasks: our own suite runs them over ours, a plug-in's author over theirs."""

from keras_vit.backend import load
from keras_vit.testing.families import CHECKS, check_family
from keras_vit.testing.models import randomise, small

__all__ = ["CHECKS", "check_family", "check_task", "randomise", "small"]


def __getattr__(name):
    if name != "check_task":  # needs the train extra, which the contract of families does without
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load("keras_vit.testing.tasks").check_task
