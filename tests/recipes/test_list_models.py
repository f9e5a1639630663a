"""keras-vit list: what it chooses, its order, and that nothing that one has to type is ever cut."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import keras_vit.zoo
from keras_vit import ZooError
from keras_vit.facts import facts, matching
from keras_vit.recipes import list_models
from keras_vit.recipes.list_models import Options


def checkpoints():
    """Returns {name of a model: the rows of its checkpoints}, as the tables beside the families have them."""
    found = {}
    for path in sorted(Path(keras_vit.zoo.__path__[0]).glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(f"{path.stem}-{row['variant']}", []).append(row)
    return found


def selected(**options):
    return list_models.selected(map(facts, matching()), Options(**options))


def printed(line, capsys):
    list_models.main(arguments=line.split())
    return [row.split("\t") for row in capsys.readouterr().out.splitlines()]


def shown(pattern, width):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    list_models.show([facts(name) for name in matching(pattern)], console)
    return file.getvalue()


def test_in_a_pipe_each_checkpoint_is_a_line_of_values_between_tabs(capsys):
    head, *rows = printed("*", capsys)
    assert head == ["model", "weights", "top-1 %", "at px", "licence", "parameters", "GMACs", "image"]
    published = checkpoints()
    tags = {(name, each["tag"]) for name in published for each in published[name]}
    assert {(row[0], row[1]) for row in rows if row[1]} == tags
    assert {row[0] for row in rows} == set(keras_vit.list_models())
    assert {len(row) for row in rows} == {8}
    assert ["vit-b16", "dino", "", "", "apache-2.0", "86567656", "17.6", "224×224"] in rows
    assert ["mlp", "", "", "", "", "669706", "0.000669", "28×28"] in rows


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_names_and_tags_are_whole_in_a_terminal_of_any_width(width):
    lines = [line.rstrip() for line in shown("*", width).splitlines()]
    words = {word for line in lines for word in line.split()}
    assert set(keras_vit.list_models()) <= words
    assert {each["tag"] for rows in checkpoints().values() for each in rows} <= words
    assert not any("…" in line for line in lines)


def test_a_wide_terminal_has_a_table_whose_models_stand_once():
    lines = shown("deit3", 200).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert sum(line.strip().startswith("deit3-s16 ") for line in lines) == 1 < len(checkpoints()["deit3-s16"])


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("name", lambda row: row.name),
        ("parameters", lambda row: row.parameters),
        ("gmacs", lambda row: row.macs),
        ("top1", lambda row: -max((each.top1 or 0 for each in row.checkpoints), default=0)),
    ],
)
def test_rows_are_sorted(sort, key):
    keys = [key(row) for row in selected(sort=sort)]
    assert keys == sorted(keys) and len(keys) == len(keras_vit.list_models())


def test_limits_leave_the_models_and_checkpoints_that_keep_them():
    assert {r.name for r in selected(max_parameters="5.8M")} >= {"vit-ti16", "deit-ti16", "lenet-5", "mlp"}
    assert all(row.parameters <= 5.8e6 for row in selected(max_parameters="5.8M"))
    assert {r.name for r in selected(max_gmacs=1e-3)} == {"lenet-5", "mlp"}
    for row in (rows := selected(min_top1=85)):
        assert row.checkpoints and all(each.top1 >= 85 for each in row.checkpoints)
    known = checkpoints()
    assert {row.name for row in rows} == {n for n in known if any(float(c["top1"] or 0) >= 85 for c in known[n])}
    assert {row.name for row in selected(weights=True)} == known.keys()
    mit = {(row.name, each.tag) for row in selected(licence="mit") for each in row.checkpoints}
    assert mit == {(n, c["tag"]) for n in known for c in known[n] if c["licence"] == "mit"}


@pytest.mark.parametrize(
    ("text", "number"), [("30M", 30e6), ("1.2G", 1.2e9), ("2b", 2e9), ("61.7 k", 61_700), ("86,567,656", 86_567_656)]
)
def test_numbers_of_parameters_are_read_as_people_write_them(text, number):
    assert list_models.size(text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_parameters": "many"}, "max_parameters is a number such as 30M or 1.2G, not 'many'"),
        ({"max_parameters": "-3M"}, "not '-3M'"),
        ({"max_gmacs": 0}, "max_gmacs is above 0, not 0"),
        ({"min_top1": 101}, "min_top1 is above 0 and at most 100, not 101"),
        ({"sort": "size"}, "no sort 'size'; it is one of name, top1, parameters, gmacs"),
    ],
)
def test_limits_that_make_no_sense_are_refused(options, says):
    with pytest.raises(ValueError) as refused:
        Options(**options)
    assert says in str(refused.value)


def test_a_licence_that_no_checkpoint_has_is_answered_with_those_there_are():
    with pytest.raises(ZooError, match=r"is of licence 'apache' \(did you mean 'apache-2.0'\?\); some are"):
        selected(licence="apache")


def test_limits_that_no_model_keeps_are_said(capsys):
    with pytest.raises(SystemExit):
        list_models.main(arguments=["vit", "--max-parameters", "1k"])
    assert "none of the 30 models that match 'vit' is within the limits" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error():
    program = "from keras_vit.__main__ import main; main(['list'])"
    asked = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    asked.stdout.close()
    assert (asked.stderr.read(), asked.wait()) == ("", 0)
