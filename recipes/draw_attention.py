"""Draws where a model looks on images of yours, by each method that the model offers, image beside image.

    keras-vit attention --images cat.jpg dog.jpg --model vit-b16:augreg_in21k_ft_in1k
    keras-vit attention --images seven.png --model runs/digits --methods rollout occlusion

A model is the folder of a run of train_classifier, or the name of one of the zoo with a published checkpoint, which is
downloaded, or with the path of one. Maps by head are drawn as the mean over the heads, each map on a scale of its own.
"raw" is left out where it would look like "dino".
"""

import functools

from keras_vit import analysis, bundle, checked, cli, data, files, models
from keras_vit.analysis.probabilities import probabilities
from keras_vit.layers import pair
from keras_vit.pictures.charts import gallery_picture


@checked.options
class Options:
    """What looks, at what, and how that is found out."""

    images: tuple[str, ...] = ()
    """files of images; their middle is seen, as the model was trained to"""
    model: str = "vit-b16:augreg_in21k_ft_in1k"
    """folder of a run, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    image_size: int | tuple[int, int] | None = None
    """pixels that images are brought to, for a checkpoint; its own unless given"""
    methods: tuple[str, ...] = ()
    """some of raw, dino, rollout, gradient, gradcam, occlusion; what the model offers of these unless given"""
    target: int | None = None
    """number of the class that gradient, gradcam and occlusion speak of; the likeliest unless given"""
    output: str = "runs/attention.png"
    """the picture"""

    def __post_init__(self):
        files.local_path(self.output)


PRESETS = {"plain": Options}


def draw(options):
    """Writes the picture and returns the maps, {method: (B, h, w)}; ValueError for what can't be drawn."""
    if not options.images:
        raise ValueError("no images were given; name some files, as in --images cat.jpg dog.jpg")
    shape = None if options.image_size is None else (None, *pair(options.image_size, "image_size"), 3)
    model = models.model_of(options.model, shape)
    preprocessing, labels = data.model_preprocessing(model), bundle.of(model).labels
    if preprocessing is None:
        preprocessing = data.Preprocessing(model.input_shape[1:3], model.input_shape[-1])
        print(f"{options.model} says nothing of how its images are prepared; they are scaled to -1 .. 1")
    images = data.read_images(options.images, model, preprocessing)
    names = options.methods or offered(model)
    maps = {name: attended(model, images, name, options.target) for name in names}
    pixels = preprocessing.denormalize(images) / 255
    rows = [("image", pixels, None), *((name, pixels, each) for name, each in maps.items())]
    path = files.local_path(options.output)
    files.folder(path.parent)
    gallery_picture(path, rows, titles(model, images, labels), side=2.2)
    print(f"drawn to {path}")
    return maps


def offered(model):
    """Returns the methods that `model` offers, without "raw" where "dino" is the same attention as shares."""
    names = analysis.methods(model)
    return [name for name in names if name != "raw" or "dino" not in names]


def attended(model, images, method, target):
    """Returns the maps of one method (B, h, w), the mean over heads where it has them."""
    of_a_class = {"target": target} if target is not None and method in ("gradient", "gradcam", "occlusion") else {}
    found = analysis.attention(model, images, method, **of_a_class)
    return found.mean(axis=1) if found.ndim == 4 else found


def titles(model, images, labels):
    """Returns for each image the class that `model` finds likeliest and its probability."""
    shares = probabilities(model, images)
    likeliest = shares.argmax(axis=1)
    names = [labels[i] if labels else f"class {i}" for i in likeliest]
    return [f"{name}, {share[i]:.0%}" for name, share, i in zip(names, shares, likeliest, strict=True)]


main = functools.partial(cli.run, draw, PRESETS, __doc__)

if __name__ == "__main__":
    main()
