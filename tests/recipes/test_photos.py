"""A first training on a small folder of photos, from the command line to the predictions."""

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_vit import __main__, data

KINDS = ("cross", "disc", "stripes")


def picture(kind, rng):
    """Returns a shape of one `kind` in a random place, size and colour on noise."""
    width, height = (int(side) for side in rng.integers(70, 140, 2))
    image = Image.fromarray(rng.integers(60, 140, (height, width, 3), dtype="uint8"))
    draw, radius = ImageDraw.Draw(image), int(rng.integers(22, 32))
    x, y = int(rng.integers(radius, width - radius)), int(rng.integers(radius, height - radius))
    colour = tuple(int(value) for value in rng.integers(190, 256, 3))
    if kind == "disc":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif kind == "cross":
        draw.line((x - radius, y, x + radius, y), colour, 5)
        draw.line((x, y - radius, x, y + radius), colour, 5)
    else:
        for left in range(x - radius, x + radius, 10):
            draw.line((left, y - radius, left, y + radius), colour, 4)
    return image


def fill(root, count, rng):
    for kind in KINDS:
        (root / kind).mkdir(parents=True)
        for i in range(count):
            picture(kind, rng).save(root / kind / f"{i}.jpg", quality=95)
    return root


@pytest.mark.slow
def test_sixty_photos_train_by_one_command_to_better_than_chance(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photos", 20, rng)
    unseen = fill(tmp_path / "unseen", 20, rng)
    line = "train classify --preset photos --data folder:photos --epochs 20 --output run"
    __main__.main(line.split())
    said = capsys.readouterr().out
    rows = [line.split() for line in said.replace("│", " ").splitlines()]
    for kind in KINDS:
        (counts,) = [row[1:] for row in rows if row[:1] == [kind]]
        assert len(counts) == 3 and sum(map(int, counts)) == 20 and "0" not in counts
    assert "epochs, unless given: batch_size 8, warmup_epochs 2" in " ".join(said.split())
    model = keras.saving.load_model(tmp_path / "run" / "best.keras")
    files = [file for kind in KINDS for file in sorted((unseen / kind).iterdir())]
    predicted = model(data.read_images(files, model)).numpy().argmax(-1)
    hits = (predicted == np.repeat(range(3), 20)).sum()
    assert hits >= 33, f"{hits} of 60, where chance gives 20 and in one of a thousand 32 or more"
