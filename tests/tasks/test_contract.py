"""Every task keeps the contract, those that the package doesn't know too."""

import pytest
from kit import masked
from kit.runs import CHANCE, SMOKE

from keras_vit.testing import check_task

pytestmark = pytest.mark.slow


def test_classification_keeps_the_contract(tmp_path):
    check_task(SMOKE.replace(model_options=CHANCE, ema=0.9, data_dir=str(tmp_path), train_fraction=0.5))


def test_a_task_of_another_kind_trains_is_killed_resumes_and_exports_with_the_trainer_as_it_is(tmp_path):
    options = SMOKE.replace(task=masked.Masked(), model_options=CHANCE, data_dir=str(tmp_path), train_fraction=0.5)
    check_task(options.replace(augment="flip-crop"))
