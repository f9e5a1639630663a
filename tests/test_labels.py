"""Names of classes are taken in every form that can be meant in one way, and in no other."""

import numpy as np
import pytest

from keras_vit.labels import names_of

NAMES = ("cat", "dog", "ant")


@pytest.mark.parametrize(
    "given",
    [
        ["cat", "dog", "ant"],
        ("cat", "dog", "ant"),
        np.array(["cat", "dog", "ant"]),
        np.array([b"cat", b"dog", b"ant"]),
        np.array(["cat", "dog", "ant"], object),
        [b"cat", "dog", np.str_("ant")],
        (name for name in NAMES),
        {"cat": 0, "dog": 1, "ant": 2}.keys(),
        {2: "ant", 0: "cat", 1: "dog"},
        {"2": "ant", "0": "cat", "1": "dog"},
        {"ant": 2, "cat": 0, "dog": 1},
        {np.int64(2): "ant", np.int64(0): "cat", np.int64(1): "dog"},
    ],
)
def test_names_come_in_the_order_of_their_numbers(given):
    assert names_of(given) == NAMES


def test_numbers_name_classes_and_a_dict_of_numbers_and_digits_has_numbers_for_keys():
    assert names_of(range(3)) == ("0", "1", "2")
    assert names_of({0: "7", 1: "3"}) == ("7", "3")
    assert names_of({1: "0", 0: "1"}) == names_of({"1": 0, "0": 1}) == ("1", "0")


def test_two_classes_may_have_one_name():
    """The bird and the machine of ImageNet are classes 134 and 517, both called "crane"."""
    assert (
        names_of(["crane", "dog", "crane"]) == names_of({0: "crane", 1: "dog", 2: "crane"}) == ("crane", "dog", "crane")
    )


@pytest.mark.parametrize("ending", ["\n", "", "\n\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_has_one_name_a_line(tmp_path, ending, mark):
    path = tmp_path / "labels.txt"
    path.write_bytes((mark + "cat\n犬\nbay leaf" + ending).encode())
    assert names_of(path) == names_of(str(path)) == ("cat", "犬", "bay leaf")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cat", "dog"}, "is a set, which has no order"),
        (frozenset(["cat"]), "is a set"),
        ("cat", "labels='cat' can't be read as a file: No such file"),
        ("cat\0", "can't be read as a file"),
        (b"cat", "labels=b'cat' is no sequence of names"),
        (7, "labels=7 is no sequence"),
        (None, "labels=None is no sequence"),
        (np.array([["cat", "dog"]]), "is no sequence"),
        (np.array("cat"), "is no sequence"),
        ({0: "cat", 2: "dog"}, "doesn't number 2 names from 0 to 1 on one side"),
        ({0: 1, 1: 0}, "doesn't number"),
        ({"0": "1", "1": "0"}, "doesn't number"),
        ({"a": "b"}, "doesn't number"),
        (["cat", None], "holds None, which is no name"),
        (["cat", ""], "holds ''"),
        (["cat", ["dog"]], r"holds \['dog'\]"),
    ],
)
def test_what_can_be_meant_in_several_ways_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        names_of(given)


def test_a_file_that_holds_no_text_or_an_empty_line_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b").write_text("cat\n\ndog\n")
    with pytest.raises(ValueError, match="a' can't be read as a file: no text in UTF-8"):
        names_of(tmp_path / "a")
    with pytest.raises(ValueError, match="holds '', which is no name"):
        names_of(tmp_path / "b")
