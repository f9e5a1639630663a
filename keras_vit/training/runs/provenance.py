"""The record of a finished training, so that it can be told, compared and repeated."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras_vit
from keras_vit.backend import load

DISTRIBUTIONS = (
    "keras-vit-zoo",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-datasets",
    "numpy",
    "ml-dtypes",
    "tensorboard",
    "matplotlib",
)
# what changes results or speed; a list, since others hold passwords
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "KERAS_BACKEND",
    "NCCL_ALGO",
    "NCCL_DEBUG",
    "NCCL_IB_DISABLE",
    "NCCL_P2P_DISABLE",
    "NCCL_PROTO",
    "NCCL_SOCKET_IFNAME",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_CONFIG",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    "TF_GPU_THREAD_COUNT",
    "TF_GPU_THREAD_MODE",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def now() -> str:
    """Returns the time in UTC, such as "2026-03-01T12:30:00+00:00"."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Returns {name: version} of Python and of the installed distributions that results depend on."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # tensorflow and tensorflow-cpu exclude each other
    return found


def commit() -> str | None:
    """Returns the git commit of keras_vit, ending in -dirty where its files were changed; None outside a checkout."""
    root = Path(keras_vit.__file__).parent.parent
    # an installed package may lie inside the checkout of another project
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def hardware() -> dict[str, Any]:
    """Returns the kind and number of the CPUs and GPUs that this process may use."""
    tf = load("tensorflow")
    details = tf.config.experimental.get_device_details
    gpus = [details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")]
    found = {
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    if gpus:
        build = tf.sysconfig.get_build_info()
        found |= {"gpus": gpus} | {name: build.get(f"{name}_version") for name in ("cuda", "cudnn")}
    return found


def environment() -> dict[str, Any]:
    """Returns where this process runs, with nothing of whose machine it is but what TF_CONFIG tells."""
    return {
        "platform": platform.platform(),
        **hardware(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def machine() -> dict[str, Any]:
    """Returns how, on what and with which code this process was started; of several workers it is the chief's."""
    return {"command": sys.argv, "commit": commit(), "versions": versions(), "environment": environment()}


def _cpu():
    try:
        told = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        told = None
    return told[1] if told else platform.processor() or platform.machine()
