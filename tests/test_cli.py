"""The command line that is made from nested dataclasses of options, and the files of options."""

import dataclasses
import json
from dataclasses import field

import pytest

from keras_vit import cli
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets import classify as presets
from keras_vit.training.errors import DivergedError
from keras_vit.training.options import RENAMED, KeyValues, Options

PLAIN = presets.plain()


def parse(line):
    return cli.parse(presets.PRESETS, "Trains.", line.split(), Options[Classify])


def refused(line, capsys):
    """Returns what the command line says of `line`, without "error: "."""
    with pytest.raises(SystemExit) as stopped:
        parse(line)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    return said.removeprefix("error: ")[:-1]


def test_first_preset_is_the_default():
    assert parse("") == PLAIN


def test_options_change_the_preset():
    changed = parse("--preset digits --image-size 5 --fresh --data folder:photos --mixup 0.5 --jit-compile False")
    expected = presets.digits().replace(image_size=5, fresh=True, data="folder:photos", mixup=0.5, jit_compile=False)
    assert changed == expected
    assert parse("--image-size 13 17").data.image_size == (13, 17)
    assert parse("--batch_size=3").optim.batch_size == 3


def test_model_options_are_values_and_add_to_the_preset():
    given = parse("--preset=smoke --model-options depth=5 drop_path=0.1 pool=mean flat=True patch=(2,3)").model.options
    own = {"depth": 5, "drop_path": 0.1, "pool": "mean", "flat": True, "patch": (2, 3)}
    assert given == presets.smoke().model.options | own


def test_another_model_does_not_get_the_model_options_of_the_preset():
    assert parse("--preset smoke --model resnet-18").model.options == {}
    assert parse("--preset smoke --model resnet-18 --model-options depth=3").model.options == {"depth": 3}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--preset digit", "no preset 'digit' (did you mean 'digits'?); it is one of plain, digits,"),
        ("--imagesize 3", "no option '--imagesize' (did you mean '--image-size'?)"),
        ("--batch 3", "no option '--batch' (did you mean '--batch-size'?)"),
        ("--epochs 7 extra", "no option 'extra'"),
        ("--model-options depth", "'depth' is not of the form key=value"),
        ("--image-size many", "many"),
        ("--epochs", "--epochs"),
        ("--precision float8", "float8"),
        ("--epochs 3 --warmup-epochs 7", "7.0 warmup_epochs do not fit into 3 epochs"),
        ("--label-smoothing 1", "label_smoothing is from 0 to below 1, not 1.0"),
        ("--lora 2 --head-epochs 1", "lora leaves nothing but its own matrices and the head to learn"),
        ("--lora 2 --teacher x", "a teacher goes with loss='softmax' and without lora"),
        ("--profile 5,3", "profile='5,3' is neither a count of steps"),
    ],
)
def test_a_line_that_makes_no_sense_exits_with_2_and_one_sentence(line, sentence, capsys):
    assert sentence in refused(line, capsys)


def test_a_check_of_one_group_is_said_without_the_words_of_the_parser(capsys):
    assert refused("--ema 2", capsys) == "ema is a share between 0 and 1 such as 0.9999, not 2.0"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no such model"), 2), (ImportError("type: pip"), 2), (DivergedError("the loss"), 1)],
)
def test_an_error_is_a_sentence_and_an_exit_status(error, status, capsys, monkeypatch):
    def train(options):
        raise error

    monkeypatch.setattr("sys.argv", ["train"])
    with pytest.raises(SystemExit) as stopped:
        cli.run(train, presets.PRESETS, "Trains.", Options[Classify])
    assert stopped.value.code == status
    assert capsys.readouterr().err == f"error: {error}\n"


def test_a_file_of_options_is_where_a_run_starts_from(tmp_path, capsys):
    file = tmp_path / "options.json"
    chosen = {"model": "vit-s16", "image_size": [11, 7], "model_options": {"depth": 3}, "mixup": 0.25}
    file.write_text(json.dumps({"written_by": "keras_vit", "task": "classify", "options": chosen}))
    expected = PLAIN.replace(model="vit-s16", image_size=(11, 7), model_options={"depth": 3}, mixup=0.25)
    assert parse(f"--options {file}") == expected
    assert parse(f"--options {file} --model-options patch=5 --fresh") == expected.replace(
        model_options={"depth": 3, "patch": 5}, fresh=True
    )
    assert "give one" in refused(f"--options {file} --preset digits", capsys)
    assert "is no file of options such as a run's options.json" in refused(f"--options {tmp_path}/none.json", capsys)
    file.write_text(json.dumps({"options": {"modle": "vit-s16"}}))
    assert "names 'modle', which is no option (did you mean 'model'?)" in refused(f"--options {file}", capsys)
    file.write_text(json.dumps({"task": "depth", "options": {}}))
    assert "are of the task depth, not of classify" in refused(f"--options {file}", capsys)


def test_a_file_of_before_options_were_renamed_is_understood(tmp_path):
    old = {"batch": 32, "accumulate": 2, "erasing": 0.25, "repeats": 3, "train_share": 0.5, "data": "cifar10"}
    assert RENAMED.keys() == old.keys() - {"data"}
    file = tmp_path / "options.json"
    file.write_text(json.dumps({"written_by": "keras_vit", "options": old | {"label_smoothing": 0.0}}))
    assert parse(f"--options {file}") == PLAIN.replace(
        batch_size=32,
        gradient_accumulation=2,
        random_erasing=0.25,
        repeated_augmentation=3,
        train_fraction=0.5,
        data="cifar10",
        label_smoothing=0.0,
    )


def test_a_file_of_before_fields_of_models_were_renamed_is_understood(tmp_path):
    file = tmp_path / "options.json"
    for model, old, new in (
        ("vit-ti16", {"depth": 3, "hidden": 96}, {"depth": 3, "mlp_dim": 96}),
        ("mixer-s16", {"hidden": 96, "token_hidden": 5}, {"mlp_dim": 96, "token_mlp_dim": 5}),
    ):
        file.write_text(json.dumps({"options": {"model": model, "model_options": old}}))
        assert parse(f"--options {file}") == PLAIN.replace(model=model, model_options=new)


def test_the_help_of_a_preset_shows_its_docstring_and_all_options_in_groups(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse("--preset deit --help")
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert "arXiv 2012.12877" in shown and "plain,digits" in shown
    for group in dataclasses.fields(Options):
        assert type(getattr(PLAIN, group.name)).__doc__ in shown
    for name in PLAIN.flat():
        assert f"--{name.replace('_', '-')}" in shown, name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """A recipe's own options, without groups."""

    model: str = "vit-ti16"
    size: tuple[int, ...] = (3, 5)
    model_options: KeyValues = field(default_factory=dict)


def test_options_without_groups_are_a_command_line_too(capsys):
    found = cli.parse({"plain": Drawing}, "Draws.", ["--size", "7", "--model-options", "a=1"])
    assert found == Drawing(size=(7,), model_options={"a": 1})
    with pytest.raises(SystemExit):
        cli.parse({"plain": Drawing}, "Draws.", ["--sise", "7"])
    assert capsys.readouterr().err == "error: no option '--sise' (did you mean '--size'?)\n"
