"""Maps of cells become maps of pixels."""

import keras
import numpy as np
import pytest

from keras_vit import analysis


def test_maps_are_resized_between_the_centres_of_cells():
    maps = np.array([[[0.0, 4.0], [8.0, 12.0]]])
    got = analysis.resize_maps(maps, (4, 2))
    np.testing.assert_allclose(got[0], [[0, 4], [2, 6], [6, 10], [8, 12]])
    np.testing.assert_allclose(analysis.resize_maps(maps, (2, 6), "nearest")[0, 0], [0, 0, 0, 4, 4, 4])
    grown = keras.ops.image.resize(maps[..., None].astype("float32"), (7, 5), data_format="channels_last")
    np.testing.assert_allclose(analysis.resize_maps(maps, (7, 5))[0], np.asarray(grown)[0, ..., 0], rtol=1e-5)
    with pytest.raises(ValueError, match="'bilinear' or 'nearest', not 'cubic'"):
        analysis.resize_maps(maps, (4, 4), "cubic")
