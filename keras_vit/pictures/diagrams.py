"""Diagrams of how data flow through a transformer block, a ViT and a hybrid."""

import contextlib
import os

from keras_vit import backend
from keras_vit.pictures.canvas import drawing
from keras_vit.pictures.figure import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION

HIGH = 1.0  # of a box


def block_diagram(path: str | os.PathLike, tokens: int, width: int, heads: int, hidden: int) -> None:
    """Writes a PNG to `path`: the data flow through a TransformerBlock on `tokens` tokens of `width` numbers."""
    shape = f"{tokens} × {width}"
    with _canvas(path, (11, 2.6), (-0.2, 18.6), (-1.3, 2.3)) as axis:
        for at, wide, text, colour in (
            (2.9, 1.7, "layer\nnorm", SKY),
            (5.6, 2.6, f"multi-head\nattention\n{heads} heads", ORANGE),
            (10.5, 1.7, "layer\nnorm", SKY),
            (13.2, 2.6, f"MLP\n{width} → {hidden} → {width}\nGELU", GREEN),
        ):
            _box(axis, at, 0, wide, text, colour)
        for at in (8.1, 15.7):
            axis.text(at, 0, "+", ha="center", va="center", fontsize=17, bbox={"boxstyle": "circle", "fc": "w"})
        flow = ((0, 2.05), (3.75, 4.3), (6.9, 7.65), (8.55, 9.65), (11.35, 11.9), (14.5, 15.25), (16.15, 18.4))
        for start, end in flow:
            _arrow(axis, (start, 0), (end, 0))
        for start, end in ((1.4, 8.1), (9.0, 15.7)):
            axis.plot([start, start, end], [0, 1.7, 1.7], color=VERMILION, linewidth=2)
            _arrow(axis, (end, 1.7), (end, 0.4), VERMILION)
            axis.text((start + end) / 2, 1.8, "residual connection", ha="center", va="bottom", fontsize=10)
        for at in (0.75, 17.35):
            axis.text(at, -0.2, f"tokens\n{shape}", ha="center", va="top", fontsize=10)
        for at, text in ((5.6, "mixes tokens"), (13.2, "each token alone")):
            axis.text(at, -0.75, text, ha="center", va="top", fontsize=10, style="italic")


def hybrid_diagram(
    path: str | os.PathLike,
    image: int,
    patch: int,
    trunk: str,
    channels: int,
    tokens: int,
    width: int,
    depth: int,
    classes: int,
) -> None:
    """Writes a PNG to `path`: how a ViT and a hybrid make `tokens` tokens of the same image, and go on alike.

    `image` is its side in pixels, `patch` that of a patch; `trunk` names the convolutional network, whose map has
    `channels` channels.
    """
    side = image // patch
    pixels = (2.1, 2.6, f"image\n{image} × {image} × 3", "w")
    plain = [pixels, (8.0, 3.2, f"patches of {patch} × {patch}\none matrix for all", BLUE)]
    mixed = [
        pixels,
        (5.4, 2.6, f"{trunk}\nconvolutions", ORANGE),
        (8.7, 2.6, f"map\n{side} × {side} × {channels}", "w"),
        (11.6, 1.9, "patches\nof 1 × 1", BLUE),
    ]
    alike = [(14.3, 2.2, f"{tokens} tokens\nof {width}\n+ positions", SKY), (16.55, 1.5, f"{depth}\nblocks", GREEN)]
    with _canvas(path, (11, 3.4), (-0.2, 18.6), (0, 4.6)) as axis:
        for name, height, boxes, entry in (("ViT", 3.2, plain, 2.15), ("hybrid", 0.6, mixed, 1.65)):
            axis.text(-0.1, height + 1.15, name, ha="left", va="center", fontsize=12, weight="bold")
            _arrow(axis, (_chain(axis, height, boxes), height), (13.15, entry))
        _arrow(axis, (_chain(axis, 1.9, alike, 1.5), 1.9), (17.7, 1.9))
        axis.text(17.75, 1.9, f"{classes}\nlogits", ha="left", va="center", fontsize=10)


def _chain(axis, y, boxes, high=HIGH):
    """Draws boxes (middle, width, text, colour) with an arrow from each to the next; returns where they end."""
    end = None
    for x, wide, text, colour in boxes:
        if end is not None:
            _arrow(axis, (end, y), (x - wide / 2, y))
        _box(axis, x, y, wide, text, colour, high)
        end = x + wide / 2
    return end


@contextlib.contextmanager
def _canvas(path, size, across, up):
    """Yields an axis that spans `across` and `up` and shows nothing of itself; saves it to `path` as a PNG."""
    with drawing(path, size) as (_, axes):
        axis = axes[0, 0]
        axis.set(xlim=across, ylim=up)
        axis.axis("off")
        yield axis


def _box(axis, x, y, wide, text, colour, high=HIGH):
    corner = (x - wide / 2, y - high / 2)
    round_box = backend.load("matplotlib.patches").FancyBboxPatch
    axis.add_patch(round_box(corner, wide, high, "round,pad=0,rounding_size=0.12", fc=_pale(colour), ec=BLACK))
    axis.text(x, y, text, ha="center", va="center", fontsize=10)


def _pale(colour):
    """Returns a colour light enough to read black letters on it."""
    return tuple(0.45 + 0.55 * each for each in backend.load("matplotlib.colors").to_rgb(colour))


def _arrow(axis, start, end, colour=BLACK):
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
    axis.annotate("", end, start, arrowprops=style)
