"""TensorFlow greets nobody who types a command, and its errors arrive, even those before a crash."""

import os
import subprocess
import sys

import pytest

GREETING = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1764561600.125000    4711 port.cc:153] oneDNN custom operations are on. You may see slightly ...\n"
    "W0000 00:00:1764561600.125000    4711 computation_placer.cc:177] computation placer already registered.\n"
    "E0000 00:00:1764561600.125000    4711 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to ...\n"
)
ERROR = "F0000 00:00:1764561600.125000    4711 cpu_feature_guard.cc:45] compiled to use AVX, which isn't available\n"


@pytest.fixture
def python(tmp_path):
    """A function that runs a program in a process whose TensorFlow greets, and then executes the lines `then`."""

    def run(program, then="", **variables):
        greets = f"import contextlib, os\nwith contextlib.suppress(OSError):\n    os.write(2, {GREETING.encode()!r})"
        (tmp_path / "tensorflow.py").write_text(f"{greets}\n{then}\n")
        known = {
            key: value for key, value in os.environ.items() if key not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_VIT_QUIET")
        }
        known |= {"PYTHONPATH": str(tmp_path)} | variables
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=known, check=False)

    return run


QUIET = "from keras_vit import quiet; quiet.start(); quiet.start(); "


def test_a_command_drops_the_greetings_alone_and_only_while_tensorflow_is_imported(python):
    done = python(
        QUIET + f"import os, tensorflow; os.write(2, {GREETING.encode()!r})", f"os.write(2, {ERROR.encode()!r})"
    )
    assert done.returncode == 0 and done.stderr == ERROR + GREETING


def test_what_tensorflow_says_before_it_crashes_arrives(python):
    done = python(QUIET + "import tensorflow", f"os.write(2, {ERROR.encode()!r})\nos.abort()")
    assert done.returncode < 0 and done.stderr == ERROR


def test_an_import_that_fails_is_told_as_ever(python):
    done = python(QUIET + "import tensorflow", "import no_such_module")
    assert done.returncode == 1 and "absl" not in done.stderr
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'no_such_module'\n")


def test_processes_that_a_command_starts_are_silent_too(python):
    child = "import keras_vit, tensorflow, os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = python(QUIET + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "2\n")


def test_a_log_level_that_was_chosen_stays(python):
    done = python(QUIET + "import os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.stdout == "0\n"


def test_a_program_that_imports_keras_vit_hears_tensorflow_as_ever(python):
    program = "import keras_vit, keras_vit.recipes, os, tensorflow; print(os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"
    done = python(program)
    assert (done.stderr, done.stdout) == (GREETING, "None\n")


def test_a_process_without_stderr_imports_it(python):
    assert python("import os; os.close(2); " + QUIET + "import tensorflow; print('there')").stdout == "there\n"
