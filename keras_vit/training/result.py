"""The record of a finished training, so that it can be told, compared and repeated."""

import importlib.metadata
import platform
import sys

DISTRIBUTIONS = ("keras-vit-zoo", "keras", "tensorflow", "tensorflow-cpu", "tensorflow-datasets", "numpy")


def versions():
    """Returns {name: version} of Python and of the installed distributions that results depend on."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # tensorflow and tensorflow-cpu exclude each other
    return found


def machine():
    """Returns where and how this process was started."""
    return {"command": sys.argv, "platform": platform.platform(), "versions": versions()}
