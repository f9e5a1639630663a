"""What a name of data is taken for: a data set, or a folder that is there."""

import pytest
from kit.small_images import fill

from keras_vit.data import DataError, open_source


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The current folder with one of images inside."""
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path / "big", train=3, test=2)


@pytest.mark.parametrize("name", ["big", "./big", "big/"])
def test_a_folder_that_is_there_is_read_and_that_is_said(photos, name):
    with pytest.warns(UserWarning, match=f"data '{name}' is read as 'folder:{name}'"):
        source = open_source(name)
    assert source.name == f"folder:{name}" and source.sizes == {"train": 6, "validation": 10, "test": 4}


def test_a_data_set_comes_before_a_folder_of_its_name_and_says_how_to_name_that(photos, tmp_path):
    fill(tmp_path / "digits")
    with pytest.warns(UserWarning, match="'digits' is a data set of its own; the folder 'digits' is 'folder:digits'"):
        source = open_source("digits", data_dir=tmp_path / "data")
    assert source.labels == tuple("0123456789")
    assert open_source("folder:digits").labels == ("ant", "bee")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bigg", "no data set 'bigg', and no folder either .did you mean 'folder:big'"),
        ("fodler:big", "did you mean 'folder:big'"),
        ("Folder:big", "did you mean 'folder:big'"),
        ("dir:big", "did you mean 'folder:big'"),
        ("./pig", "no data set './pig', and no folder either; 'folder:PATH' reads your own images"),
        ("/no/such", "no data set '/no/such', and no folder either"),
        ("digist", "no data set 'digist' .did you mean 'digits'"),
        ("fashion-mnist", "did you mean 'fashion_mnist'"),
        ("folder:bigg", "no folder 'bigg'"),
    ],
)
def test_a_mistyped_name_is_answered_with_what_could_be_meant(photos, name, said):
    with pytest.raises(DataError, match=said):
        open_source(name)


def test_a_folder_of_almost_the_name_of_a_data_set_does_not_hide_it(photos, tmp_path):
    fill(tmp_path / "digit")
    assert open_source("digits", data_dir=tmp_path / "data").labels == tuple("0123456789")
