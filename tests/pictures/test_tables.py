"""A table has a line for each number that was measured, with all its digits."""

import csv

import pytest

from keras_vit import pictures
from keras_vit.analysis import Localisation, Similarity, SkipRatio


@pytest.fixture
def table(tmp_path):
    """A function that writes a table by `save` and returns its rows as dicts of texts."""

    def written(save, *measured):
        save(tmp_path / "table.csv", *measured)
        assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
        with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return written


def test_distances_stand_beside_those_of_uniform_attention(table, rng):
    found = {"attention_0": rng.random(3), "stage_1_attention_0": rng.random(2)}
    rows = table(pictures.save_distances, found, {"attention_0": 7.25, "stage_1_attention_0": 9.5})
    assert [(row["attention"], row["head"]) for row in rows[1:4]] == [
        ("attention_0", "1"), ("attention_0", "2"), ("stage_1_attention_0", "0"),
    ]  # fmt: skip
    assert float(rows[4]["mean distance (px)"]) == found["stage_1_attention_0"][1]
    assert [float(row["of uniform attention (px)"]) for row in rows] == [7.25] * 3 + [9.5] * 2


def test_fields_have_a_line_for_each_pixel(table, rng):
    fields = {"stage_1": rng.random((11, 13)), "stage_0": rng.random((11, 13))}
    rows = table(pictures.save_fields, fields)
    assert len(rows) == 2 * 11 * 13
    row = rows[13 * 5 + 6]
    assert (row["layer"], row["row (px)"], row["column (px)"]) == ("stage_1", "5", "6")
    assert float(row["mean |gradient|"]) == fields["stage_1"][5, 6]


def test_localisation_has_a_line_for_each_token_and_patch(table, rng):
    found = Localisation("block_2", (8, 8), rng.random((2, 5, 7)), rng.random((3, 4, 5, 7)))
    rows = table(pictures.save_localisation, found)
    assert len(rows) == (2 + 3 * 4) * 5 * 7
    first, last = list(rows[36].values()), list(rows[-1].values())
    assert first[:6] == ["block_2", "1", "", "", "0", "1"] and float(first[6]) == found.prefix[1, 0, 1]
    assert last[:6] == ["block_2", "", "2", "3", "4", "6"] and float(last[6]) == found.cells[2, 3, 4, 6]


def test_probes_have_a_line_for_each_layer_of_each_model(table):
    rows = table(pictures.save_probes, {"one": {"embed": 0.25, "block_0": 0.5}, "two": {"norm": 0.75}})
    assert [list(row.values()) for row in rows] == [
        ["one", "embed", "0.25"], ["one", "block_0", "0.5"], ["two", "norm", "0.75"],
    ]  # fmt: skip


def test_similarities_have_a_line_for_each_pair_and_deviations_of_repeats(table, rng):
    values, deviations = rng.random((2, 3)), rng.random((2, 3))
    names = (("embed", "norm"), ("conv1", "stage_0", "map"), values, ("vit", "resnet"))
    (row,) = [row for row in table(pictures.save_similarity, Similarity(*names)) if row["layer of resnet"] == "map"][:1]
    assert row == {"layer of vit": "embed", "layer of resnet": "map", "cka": repr(float(values[0, 2]))}
    rows = table(pictures.save_similarity, Similarity(*names, deviations, 3))
    assert len(rows) == 6 and rows[5]["repeats"] == "3" and float(rows[5]["standard deviation"]) == deviations[1, 2]


def test_skip_ratios_have_a_line_for_each_token_of_each_branch(table, rng):
    one = {name: SkipRatio(rng.random(1), rng.random((3, 5))) for name in ("attention", "mlp")}
    rows = [list(row.values()) for row in table(pictures.save_skip_ratios, {"block_0": one})]
    assert len(rows) == 2 * (1 + 15) and rows[0][:5] == ["block_0", "attention", "0", "", ""]
    assert rows[1 + 5 + 3][:5] == ["block_0", "attention", "", "1", "3"]
    assert float(rows[9][5]) == one["attention"].cells[1, 3]
