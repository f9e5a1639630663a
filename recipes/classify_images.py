"""Classifies image files with an exported SavedModel; needs TensorFlow alone, neither keras_vit nor Keras.

    python recipes/classify_images.py runs/digits/export/1 seven.png three.jpg
    python recipes/classify_images.py runs/digits/export/1 --json *.png

It sends the files' bytes to the signature `serving_bytes`, as a client of TensorFlow Serving would.
"""

import argparse
import json
import sys
from pathlib import Path

# The proof that a server needs neither: an import of one would now fail
sys.modules["keras_vit"] = sys.modules["keras"] = None

import tensorflow as tf  # noqa: E402

BATCH = 64  # files at once


def classify(folder, paths):
    """Yields (path, labels, probabilities) of each file that is an image, the likeliest class first.

    Raises ValueError naming the folder that is no such SavedModel, and in the end the files that are no images.
    """
    unreadable = []
    try:
        model = tf.saved_model.load(str(folder))  # the signature alone keeps no weights
        signature = model.signatures["serving_bytes"]
    except (OSError, KeyError) as error:
        raise ValueError(f"{str(folder)!r} holds no SavedModel with a signature serving_bytes: {error}") from None
    for start in range(0, len(paths), BATCH):
        some = paths[start : start + BATCH]
        encoded = [Path(path).read_bytes() for path in some]
        got = {name: each.numpy() for name, each in signature(image_bytes=tf.constant(encoded)).items()}
        for path, status, names, shares in zip(some, got["status"], got["labels"], got["probabilities"], strict=True):
            if status == b"ok":
                yield path, [name.decode() for name in names], [float(share) for share in shares]
            else:
                unreadable.append(str(path))
    if unreadable:
        raise ValueError(f"no image: {', '.join(unreadable)}")


def main():
    # The one command line without tyro: a client runs where TensorFlow alone is installed
    parser = argparse.ArgumentParser(description="Classifies image files with an exported SavedModel.")
    parser.add_argument("model", help="folder that keras_vit.export wrote, such as export/1")
    parser.add_argument("images", nargs="+", help="JPEG or PNG files")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    try:
        for path, labels, probabilities in classify(options.model, options.images):
            if options.json:
                print(json.dumps({"image": str(path), "labels": labels, "probabilities": probabilities}))
            else:
                print(f"{path}: {labels[0]} ({probabilities[0]:.1%})")
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
