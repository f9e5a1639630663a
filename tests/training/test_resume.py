"""Where a run goes on when some of its files are damaged, missing, or of other images."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

from keras_vit.tasks.presets.classify import plain
from keras_vit.training.optim.optimizers import make_optimizer
from keras_vit.training.runs import resume, state
from keras_vit.training.runs.folder import RunError, RunFolder
from keras_vit.training.task import Learner


@pytest.fixture(scope="module")
def learner():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(make_optimizer("adamw", model, 0.01), keras.losses.MeanSquaredError())
    return Learner(model, model, lambda: model, None, None, model.optimizer)


def fill(learner, value):
    for variable in state.variables(learner.model, learner.optimizer).values():
        variable.assign(np.full(variable.shape, value))


@pytest.fixture
def folder(tmp_path, learner):
    """A run of two epochs, of which the second is its best, saved at the end of each; the state of epoch n holds n."""
    folder = RunFolder(tmp_path, plain())
    folder.begin()
    rows = [{"epoch": 1, "val_accuracy": 0.5, "val_loss": 2.0}, {"epoch": 2, "val_accuracy": 0.75, "val_loss": 1.0}]
    for epoch in (1, 2):
        fill(learner, epoch)
        with zipfile.ZipFile(folder.best_of(epoch), "w") as archive:
            archive.writestr("model.weights.h5", b"weights" * 99)
        progress = state.Progress(epochs=epoch, rows=rows[:epoch], best=rows[epoch - 1])
        state.save(folder.state, state.snapshot(learner.model, learner.optimizer, progress), folder.earlier)
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def flip(path):
    """Changes a byte in the middle, which neither the length nor the directory of the archive tells."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


def went_on(folder, learner):
    fill(learner, 0)
    found = resume.find(folder)
    resume.fill(folder, found, learner)
    values = {float(np.ravel(each)[0]) for each in state.variables(learner.model, learner.optimizer).values()}
    assert values == {found.progress.epochs}
    return found.progress.epochs


def test_a_run_goes_on_from_its_last_state(folder, learner):
    assert went_on(folder, learner) == 2


@pytest.mark.parametrize("damage", [cut, flip, remove])
def test_a_damaged_state_gives_way_to_the_one_before(folder, learner, damage):
    damage(folder.state)
    with pytest.warns(UserWarning, match=r"latest.npz is (damaged|missing).* from the state before it, .* epoch 1"):
        assert went_on(folder, learner) == 1
    assert not folder.earlier.exists()  # it is the last one now, or the damaged one would be kept beside the next
    assert went_on(folder, learner) == 1


@pytest.mark.parametrize("damage", [cut, flip, remove])
def test_a_state_whose_best_model_is_gone_gives_way_to_the_one_before_at_the_start(folder, learner, damage):
    damage(folder.best_of(2))
    with pytest.warns(UserWarning, match=r"latest.npz can't be gone on from: .*best-0002.keras is (missing|damaged)"):
        assert went_on(folder, learner) == 1


def test_two_damaged_states_are_refused_by_a_sentence_that_names_both(folder):
    cut(folder.state)
    remove(folder.best_of(1))
    said = (
        r"latest.npz is damaged .*so is the state before it: .*earlier.npz can't be gone on from: .* fresh \(--fresh\)$"
    )
    with pytest.raises(RunError, match=said):
        resume.find(folder)


def test_a_damaged_state_alone_is_refused(folder):
    folder.earlier.unlink()
    flip(folder.state)
    with pytest.raises(RunError, match="latest.npz is damaged .*; start over with fresh"):
        resume.find(folder)


def test_the_state_before_is_none_of_a_run_that_is_done(folder):
    folder.result.write_text("{}")
    shutil.copyfile(folder.best_of(2), folder.best)
    assert resume.find(folder).progress.epochs == 2
    cut(folder.best)
    with pytest.raises(RunError, match="the model .*best.keras is damaged"):
        resume.find(folder)
    shutil.copyfile(folder.best_of(2), folder.best)
    cut(folder.state)
    with pytest.raises(RunError, match="latest.npz is damaged .*; start over with fresh"):
        resume.find(folder)


def test_a_newer_state_is_refused_and_no_older_one_taken(folder):
    with np.load(folder.state) as file:
        arrays = dict(file)
    told = json.loads(str(arrays["progress"])) | {"format": 99}
    np.savez(folder.state, **arrays | {"progress": np.array(json.dumps(told))})
    with pytest.raises(ValueError, match="newer version of keras_vit, in format 99"):
        resume.find(folder)


def test_a_settled_run_keeps_one_state_and_one_model(folder):
    folder.settle(2)
    assert {each.name for each in folder.state.parent.iterdir()} == {"latest.npz", "best-0002.keras"}
