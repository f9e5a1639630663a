"""The command line that is made from nested dataclasses of options, and the files of options."""

import dataclasses
import io
import json
import subprocess
import sys
from dataclasses import field
from pathlib import Path

import pytest

from keras_vit import cli, recipes, synonyms
from keras_vit.__main__ import COMMANDS
from keras_vit.tasks.classify import Classify
from keras_vit.tasks.presets import classify as presets
from keras_vit.training.errors import DivergedError
from keras_vit.training.options import KeyValues, Options
from keras_vit.training.options_file import RENAMED

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


@pytest.mark.parametrize(
    ("word", "value"),
    [("false", False), ("TRUE", True), ("none", None), ("None", None), ("no", "no")],
)
def test_truth_and_nothing_are_understood_in_any_case(word, value):
    assert parse(f"--model-options pre_norm={word}").model.options == {"pre_norm": value}


def test_another_model_does_not_get_the_model_options_of_the_preset():
    assert parse("--preset smoke --model resnet-18").model.options == {}
    assert parse("--preset smoke --model resnet-18 --model-options depth=3").model.options == {"depth": 3}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--preset digit", "no preset 'digit' (did you mean 'digits'?); it is one of plain, photos,"),
        ("--imagesize 3", "no option '--imagesize' (did you mean '--image-size'?)"),
        ("--batch 3", "no option '--batch'; it is called '--batch-size' here"),
        ("--bach-size 8", "no option '--bach-size' (did you mean '--batch-size'?)"),
        ("-batch 8", "no option '-batch'; it is called '--batch-size' here"),
        ("-epochs 3", "no option '-epochs' (did you mean '--epochs'?)"),
        ("—epochs 3", "no option '—epochs' (did you mean '--epochs'?)"),
        ("--lr 1e-3", "no option '--lr'; it is called '--learning-rate' here"),
        ("--lr=1e-3", "no option '--lr'; it is called '--learning-rate' here"),
        ("--size 32", "no option '--size'; it is called '--image-size' here"),
        ("--img-size 32", "no option '--img-size'; it is called '--image-size' here"),
        ("-b 8", "no option '-b'; it is called '--batch-size' here"),
        ("-j 4", "no option '-j', nor is one needed: images are read by as many threads as there are cores"),
        ("--num-classes 3", "no option '--num-classes', nor is one needed: the classes are those of the data"),
        ("--trials 3", "no option '--trials'; keras-vit tune classify has it"),
        ("--epochs 7 extra", "no option 'extra'"),
        ("--model-options depth", "'depth' is not of the form key=value"),
        ("--image-size many", "many"),
        ("--epochs", "--epochs"),
        ("--precision float8", "float8"),
        ("--loss foo", "foo"),
        ("--epochs 0", "epochs is at least 1, not 0"),
        ("--batch-size -3", "batch_size is at least 1, not -3"),
        ("--learning-rate nan", "learning_rate is a finite number, not nan"),
        ("--cutmix inf", "cutmix is a finite number, not inf"),
        ("--crop nan", "crop is a finite number or None, not nan"),
        ("--jit-compile maybe", "maybe"),
        ("--model-options image_size=32", "model_options image_size=32 is an option of its own"),
        ("--output gs://bucket/run", "'gs://bucket/run' is no path of this machine"),
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
    file.write_text(json.dumps({"options": {"output": "runs/there"}}), encoding="utf-8-sig")  # as Notepad saves it
    assert parse(f"--options {file}") == PLAIN.replace(output="runs/there")
    assert parse(f"--options {file} --output runs/here") == PLAIN.replace(output="runs/here")
    assert "give one" in refused(f"--options {file} --preset digits", capsys)


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (None, "there is no such file"),
        ("", "is no file of options such as a run's options.json"),
        ("[1, 2]", 'it holds no {"options": {"epochs": 20'),
        ('{"options": [1]}', 'it holds no {"options": {"epochs": 20'),
        ('{"options": {"epochs": 3, "epochs": 5}}', "'epochs' stands there twice"),
        ("[" * 100_000, "is no file of options"),
        (b"\xff\xfe\x00{", "is no file of options"),
        ('{"options": {"modle": "vit-s16"}}', "names 'modle', which is no option (did you mean 'model'?)"),
        ('{"task": "depth", "options": {}}', "are of the task depth, not of classify"),
        ('{"options": {"loss": "foo"}}', "no loss 'foo'; it is one of softmax, sigmoid"),
        ('{"options": {"cutmix": NaN}}', "cutmix is a finite number, not nan"),
        ('{"options": {"learning_rate": 1e999}}', "learning_rate is a finite number, not inf"),
        ('{"options": {"epochs": "3"}}', "epochs is a whole number, not '3'"),
        ('{"options": {"epochs": null}}', "epochs is a whole number, not None"),
        ('{"options": {"jit_compile": "false"}}', "jit_compile is True or False or 'auto', not 'false'"),
        (
            '{"options": {"image_size": [8, 8, 3]}}',
            "whole number or a tuple (a whole number, a whole number)",
        ),
        ('{"options": {"model_options": [1]}}', "model_options is a dict of names"),
        ('{"options": {"model": ["a"], "model_options": {"hidden": 3}}}', "model is a text, not ['a']"),
        ('{"options": {"fresh": true}}', "fresh removes what a run has written, and is no option of a file"),
    ],
)
def test_a_file_that_is_none_of_options_is_refused_by_its_name_and_what_is_wrong(held, sentence, tmp_path, capsys):
    file = tmp_path / "options.json"
    if held is not None:
        file.write_bytes(held if isinstance(held, bytes) else held.encode())
    said = refused(f"--options {file}", capsys)
    assert said.startswith(f"options {str(file)!r}") and sentence in said


def test_a_size_that_stood_among_the_options_of_the_model_is_the_option_of_today(tmp_path):
    file = tmp_path / "options.json"
    file.write_text(json.dumps({"options": {"model": "vit-ti16", "model_options": {"image_size": 32, "depth": 3}}}))
    assert parse(f"--options {file}") == PLAIN.replace(image_size=32, model_options={"depth": 3})


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
    assert "arXiv 2012.12877" in shown and "plain,photos" in shown
    for group in dataclasses.fields(Options):
        assert type(getattr(PLAIN, group.name)).__doc__ in shown
    for name in PLAIN.flat():
        assert f"--{name.replace('_', '-')}" in shown, name


def test_words_of_other_tools_lead_to_options_that_exist():
    own = {*PLAIN.flat(), "preset", "options"}
    assert own >= {*synonyms.SYNONYMS.values()}
    assert not own & {*synonyms.SYNONYMS, *synonyms.NEEDLESS, *synonyms.ELSEWHERE}
    for option, command in synonyms.ELSEWHERE.items():
        recipe = Path(recipes.__file__).with_name(f"{COMMANDS[command.removeprefix('keras-vit ')][0]}.py")
        assert f"    {option}: " in recipe.read_text(encoding="utf-8"), option


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


def test_name_that_the_terminal_cannot_write_is_printed_as_its_code(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    cli.call(lambda: print("猫", "caf\udce9.png"))
    assert written.getvalue() == b"\\u732b caf\\udce9.png\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    lines = "from keras_vit import cli; cli.call(lambda: [print('a line', flush=True) for _ in range(100_000)])"
    with subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + 13  # as a shell has it of a process that SIGPIPE ended


def test_a_warning_is_a_sentence_and_one_for_programmers_names_its_line():
    program = "import warnings; from keras_vit import cli; cli.call(lambda: {}); warnings.warn('after', stacklevel=1)"
    warned = program.format("[warnings.warn('two classes'), warnings.warn('old name', FutureWarning)]")
    done = subprocess.run([sys.executable, "-c", warned], capture_output=True, text=True, check=True)
    first, *others = done.stderr.splitlines()
    assert first == "warning: two classes"
    assert "<string>:1: FutureWarning: old name" in others
    assert "<string>:1: UserWarning: after" in others
