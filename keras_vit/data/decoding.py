"""From an example of a source to the tensors of a batch."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_vit.data.augmentation.names import augmentation
from keras_vit.data.augmentation.policies import erase
from keras_vit.data.preprocessing import Preprocessing
from keras_vit.data.skipping import DataError
from keras_vit.data.targets import Target

Example = dict[str, tf.Tensor]


def decoder(
    targets: Mapping[str, Target],
    preprocessing: Preprocessing,
    augment: str = "none",
    *,
    random_erasing: float = 0.0,
) -> Callable[[Example, tf.Tensor], Example]:
    """Returns a function of an example and a seed, as the batches take it: it decodes, augments and normalises.

    It gives "image", float32 (H, W, C), and each of `targets`, moved as the image was: int64 (), uint8 or float32
    (H, W, 1), or float32 (max_boxes, 5). `augment` is a name as `augmentation` takes it; a fraction `random_erasing`
    of the images, and of the images alone, loses a box to noise. For evaluation there is neither.

    Raises DataError for an unknown augmentation and a fraction that is none.
    """
    change = augmentation(augment)
    if not 0 <= random_erasing <= 1:
        raise DataError(f"random_erasing={random_erasing!r} is a fraction from 0 to 1")

    def decode(example, seed):
        image, geometry = change(preprocessing.decode(example["image"]), preprocessing, seed)
        if random_erasing:
            image = erase(image, tf.random.fold_in(seed, 0), random_erasing)
        moved = {
            name: each.padded(geometry.move(each.decode(example[name]), each.kind)) for name, each in targets.items()
        }
        return {"image": image} | moved

    return decode
