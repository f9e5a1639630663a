"""Nested options and their flat names."""

import dataclasses
import math
import re
from dataclasses import field
from pathlib import Path

import numpy as np
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
    alike |= {"index": 1, "steps_per_execution": 3, "jit_compile": False, "largest_batch": 7}
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


def test_sentences_name_an_option_as_python_and_the_command_line_do():
    assert nested.named("save_every") == "save_every (--save-every)"


def test_a_title_names_the_network_that_is_trained_and_not_what_it_was_made_of():
    changed = BASE.replace(model_options={"patch": 4, "width": 48}, data="folder:photos")
    assert changed.title() == "vit-ti16 (patch 4, width 48) on folder:photos"
    assert BASE.title() == "vit-ti16 on digits"


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
        ({"loss": "foo"}, "no loss 'foo'; it is one of softmax, sigmoid"),
        ({"optimizer": "adam"}, "no optimizer 'adam' .did you mean 'adamw'.*one of adamw, lamb, sgd"),
        ({"cutmix": math.nan}, "cutmix is a finite number, not nan"),
        ({"mixup": -0.5}, "mixup is at least 0, not -0.5"),
        ({"learning_rate": math.nan}, "learning_rate is a finite number, not nan"),
        ({"learning_rate": math.inf}, "learning_rate is a finite number, not inf"),
        ({"warmup_epochs": math.nan}, "warmup_epochs is a finite number or None, not nan"),
        ({"ema": math.nan}, "ema is a finite number or None, not nan"),
        ({"epochs": 0}, "epochs is at least 1, not 0"),
        ({"epochs": 3.5}, "epochs is a whole number, not 3.5"),
        ({"batch_size": -3}, "batch_size is at least 1, not -3"),
        ({"gradient_accumulation": 0}, "gradient_accumulation is at least 1, not 0"),
        ({"layer_decay": 0.0}, "layer_decay is above 0, not 0.0"),
        ({"fresh": "false"}, "fresh is True or False, not 'false'"),
        ({"jit_compile": "true"}, "jit_compile is True or False or 'auto', not 'true'"),
        ({"train_fraction": 1.5}, "train_fraction is above 0 and at most 1, not 1.5"),
        ({"crop": 0.0}, "crop is above 0 and at most 1, not 0.0"),
        ({"random_erasing": 1.5}, "random_erasing is a probability of at most 1, not 1.5"),
        ({"repeated_augmentation": 0}, "repeated_augmentation is at least 1, not 0"),
        ({"image_size": 0}, "image_size is at least 1 pixel, not 0"),
        ({"image_size": (5, -7)}, r"image_size is at least 1 pixel, not \(5, -7\)"),
        ({"lora": 0}, "lora is at least 1, not 0"),
        ({"index": -1}, "index is at least 0, not -1"),
        ({"steps_per_execution": 0}, "steps_per_execution is at least 1, not 0"),
        ({"seed": -1}, "seed is from 0 to 4294967295, not -1"),
        ({"output": ""}, "output names the folder of the run, and '' names none"),
        ({"output": "a\0b"}, "output names the folder of the run"),
        ({"output": "gs://bucket/run"}, "output 'gs://bucket/run' is no path of this machine"),
        ({"model_options": {"rate": math.nan}}, "model_options is a dict of names and plain, finite values"),
        (
            {"model_options": {"image_size": 32}},
            r"model_options image_size=32 is an option of its own.*--image-size 32",
        ),
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


@pytest.mark.parametrize("task", [Classify, None, "classify"])
def test_a_task_that_is_no_instance_of_one_is_refused(task):
    with pytest.raises(ValueError, match="task is an instance of a task, not"):
        Options(task=task)


def test_a_group_is_replaced_by_one_of_its_kind():
    for changes, said in [
        ({"task": Classify}, r"task is Classify\(...\), not the class"),
        ({"optim": Data()}, "optim is"),
    ]:
        with pytest.raises(ValueError, match=said):
            BASE.replace(**changes)


def test_weights_may_be_named_with_their_model():
    named = BASE.replace(model="vit-b16", weights="vit-b16:augreg_in21k_ft_in1k")
    assert named == BASE.replace(model="vit-b16", weights="augreg_in21k_ft_in1k")
    assert BASE.replace(model="vit-s16", weights="vit-b16:dino").model.weights == "vit-b16:dino"


def test_numbers_of_numpy_and_paths_are_options_too(tmp_path):
    changed = BASE.replace(seed=np.int64(3), mixup=np.float32(0.5), output=tmp_path, data_dir=tmp_path / "data")
    same = BASE.replace(seed=3, mixup=0.5, output=str(tmp_path), data_dir=str(tmp_path / "data"))
    assert changed == same and identity(changed) == identity(same)


def test_options_of_a_training_know_no_task():
    text = Path(options.__file__).read_text().lower().replace("dataclass", "")
    assert not re.findall(r"label|accura|\bclasses|classif|(?<!\n)class\b", text)


def test_a_task_without_a_check_and_with_own_names_is_a_task():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Masked:
        share: float = field(default=0.75, metadata={"flag": "masked"})

    with pytest.raises(ValueError, match="masked is a finite number, not nan"):
        Options(task=Masked()).replace(masked=math.nan)
    assert Options(task=Masked()).replace(masked=0.5).task == Masked(share=0.5)
