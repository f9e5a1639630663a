"""Nested options and their flat names."""

import dataclasses
import re
from dataclasses import field
from pathlib import Path

import pytest

from keras_vit import nested
from keras_vit.tasks.classify import Classify
from keras_vit.training import options
from keras_vit.training.options import Data, Optim, Options, identity

BASE = Options(task=Classify(mixup=0.3), optim=Optim(epochs=11, batch_size=7))


def test_flat_names_replace_options_of_every_group_and_of_the_task():
    changed = BASE.replace(data="cifar10", model="vit-s16", model_options={"depth": 3}, epochs=13, mixup=0.5, seed=5)
    assert changed.data == Data(name="cifar10") and changed.optim == Optim(epochs=13, batch_size=7)
    assert (changed.model.name, changed.model.options, changed.run.seed) == ("vit-s16", {"depth": 3}, 5)
    assert changed.task == Classify(mixup=0.5)
    assert BASE.replace(**changed.flat()) == changed
    assert BASE.replace(data=Data(image_size=5), crop=0.5).data == Data(image_size=5, crop=0.5)


def test_groups_that_fit_only_together_are_replaced_together():
    lora = BASE.replace(lora=2)
    assert lora.replace(lora=None, head_epochs=1.0).replace(lora=2, head_epochs=0.0) == lora


def test_an_unknown_name_is_answered_with_the_closest():
    with pytest.raises(ValueError, match=r"no option 'epoch' \(did you mean 'epochs'\?\)"):
        BASE.replace(epoch=3)


def test_what_cannot_change_the_result_is_no_part_of_the_identity():
    alike = {"output": "x", "fresh": True, "save_every": 5, "profile": "3", "strategy": "one", "workers": "a:1,b:2"}
    alike |= {"index": 1, "steps_per_execution": 3, "jit_compile": False}
    assert identity(BASE.replace(**alike)) == identity(BASE) and nested.irrelevant(BASE) == alike.keys()
    others = {"precision": "bfloat16", "seed": 3, "mixup": 0.0, "image_size": (5, 7), "model_options": {"depth": 3}}
    for name, value in others.items():
        assert identity(BASE.replace(**{name: value})) != identity(BASE), name
    assert identity(BASE)["task"] == "classify"


def test_two_options_of_one_name_are_refused():
    @dataclasses.dataclass(frozen=True)
    class Twice:
        epochs: int = 3

    with pytest.raises(ValueError, match="epochs of Options is there twice"):
        Options(task=Twice())


def test_defaults_keep_the_kind_of_the_task_alone():
    assert nested.defaults(BASE) == Options(task=Classify())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 5, "warmup_epochs": 5.0}, "5.0 warmup_epochs do not fit into 5 epochs"),
        ({"head_epochs": 11.0}, "11.0 head_epochs do not fit into 11 epochs"),
        ({"learning_rate": 0.0}, "learning_rate is above 0, not 0.0"),
        ({"weight_decay": -0.1}, "weight_decay is at least 0, not -0.1"),
        ({"save_every": 0}, "save_every is at least 1, not 0"),
        ({"test_size": 5}, "test_size=5 goes with an image_size to train at"),
        ({"test_size": 5, "image_size": 7, "teacher": "x"}, "test_size=5 goes with an image_size .* without a teacher"),
        ({"lora": 2, "freeze": "head"}, "lora leaves nothing"),
        ({"lora": 2, "head_epochs": 1.0}, "lora leaves nothing"),
        ({"teacher": "x", "lora": 2}, "without lora"),
        ({"teacher": "x", "loss": "sigmoid"}, "a teacher goes with loss='softmax'"),
        ({"target_threshold": 0.2}, "target_threshold=0.2 goes with loss='sigmoid'"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        BASE.replace(**changes)


def test_options_of_a_training_know_no_task():
    text = Path(options.__file__).read_text().lower().replace("dataclass", "")
    assert not re.findall(r"label|accura|\bclasses|classif|(?<!\n)class\b", text)


def test_a_task_without_a_check_and_with_own_names_is_a_task():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Masked:
        share: float = field(default=0.75, metadata={"flag": "masked"})

    assert Options(task=Masked()).replace(masked=0.5).task == Masked(share=0.5)
