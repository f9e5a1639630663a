"""What the record of a run tells of code and machine, and what it keeps to itself."""

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from kit.skipping import needs

import keras_vit
from keras_vit.training.runs import provenance


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository whose package is taken for ours."""
    (tmp_path / "keras_vit").mkdir()
    (tmp_path / "keras_vit" / "__init__.py").write_text("")
    monkeypatch.setattr(keras_vit, "__file__", str(tmp_path / "keras_vit" / "__init__.py"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")
    return tmp_path


def test_commit_is_that_of_the_checkout_and_marks_changes(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    assert provenance.commit() == commit
    (checkout / "keras_vit" / "__init__.py").write_text("1")
    assert provenance.commit() == f"{commit}-dirty"


def test_a_package_installed_inside_another_checkout_has_no_commit(checkout, monkeypatch):
    installed = checkout / "venv" / "site-packages" / "keras_vit" / "__init__.py"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(keras_vit, "__file__", str(installed))
    assert provenance.commit() is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None


def test_environment_tells_what_changes_results_and_no_secret(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("HF_TOKEN", "hunter3")
    told = provenance.machine()
    assert (
        told["environment"]["variables"].items()
        >= {
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
            "CUDA_VISIBLE_DEVICES": "",
        }.items()
    )
    assert told["versions"]["python"] == platform.python_version()
    text = json.dumps(told["environment"])
    assert "hunter" not in text and platform.node() not in text


@needs(Path("/proc/cpuinfo").exists(), "Linux alone tells the kind of CPU there")
def test_hardware_names_the_cpu_and_how_many_may_be_used():
    found = provenance.hardware()
    assert found["cpu"] in Path("/proc/cpuinfo").read_text()
    assert found["cpus"] == len(os.sched_getaffinity(0))
