"""Pictures of an image as a sequence of tokens, and of how these attend to each other."""

import os

import numpy as np

from keras_vit.pictures.canvas import colour_bar, drawing, show_image, show_shares, show_signed


def patches_picture(path: str | os.PathLike, image: np.ndarray, patch: int) -> None:
    """Writes a PNG to `path`: an image (H, W, 3), the patches it is cut into, and the same laid in one sequence."""
    rows, columns = (side // patch for side in image.shape[:2])
    cut = image[: rows * patch, : columns * patch].reshape(rows, patch, columns, patch, -1).swapaxes(1, 2)
    with drawing(path, (7, 4.2), 2, 2, height_ratios=(4.2, 1)) as (figure, axes):
        show_image(axes[0, 0], image, f"image, {image.shape[0]} × {image.shape[1]} pixels")
        _show_apart(axes[0, 1], cut, f"{rows} × {columns} patches of {patch} × {patch} pixels")
        grid = axes[1, 0].get_gridspec()
        for axis in axes[1]:
            axis.remove()
        below = figure.add_subplot(grid[1, :])
        _show_apart(below, cut.reshape(1, rows * columns, *cut.shape[2:]), f"a sequence of {rows * columns} tokens")


def attention_steps_picture(path: str | os.PathLike, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> None:
    """Writes a PNG to `path`: scaled dot-product attention of queries, keys and values (N, d), matrix by matrix."""
    count, d = q.shape
    scores = q @ k.T / np.sqrt(d)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = e / e.sum(axis=1, keepdims=True)
    ratios = {"width_ratios": (d, count, count, d, d), "height_ratios": (d, count)}
    with drawing(path, (10.4, 4.4), 2, 5, **ratios) as (figure, axes):
        figure.get_layout_engine().set(w_pad=0.2)  # for titles that are wider than their matrix
        for place in (0, 2, 3, 4):
            axes[0, place].axis("off")
        show_signed(axes[0, 1], k.T, f"kᵀ, {d} × {count}")
        show_signed(axes[1, 0], q, f"q\n{count} × {d}")
        show_signed(axes[1, 1], scores, f"scores = q kᵀ / √{d}\n{count} × {count}")
        shown = show_shares(axes[1, 2], weights, f"weights = softmax(scores)\n{count} × {count}")
        show_signed(axes[1, 3], v, f"v\n{count} × {d}")
        show_signed(axes[1, 4], weights @ v, f"out\n{count} × {d}")
        bar = figure.colorbar(shown, cax=axes[0, 2].inset_axes((0.1, 0.5, 0.8, 0.3)), orientation="horizontal")
        bar.set_label("weight; each row sums to 1", fontsize=9)
        bar.ax.tick_params(labelsize=8)


def heads_picture(path: str | os.PathLike, image: np.ndarray, matrices: np.ndarray, rolled: np.ndarray) -> None:
    """Writes a PNG to `path`: a row a block, with a map (h, w) for each head and one of the rollout up to there.

    `matrices` are the class token's attention to the patches, (blocks, heads, h, w), `rolled` (blocks, h, w).
    """
    blocks, heads = matrices.shape[:2]
    with drawing(path, (1.35 * (heads + 2) + 0.9, 1.4 * blocks + 0.4), blocks, heads + 2) as (figure, axes):
        for row in range(blocks):
            show_image(axes[row, 0], image, "" if row else "image")
            axes[row, 0].set_ylabel(f"block {row}", fontsize=10)
            for head in range(heads):
                title = "" if row else f"head {head}"
                shown = show_shares(
                    axes[row, head + 1], matrices[row, head] * matrices[0, 0].size, title, _top(matrices)
                )
            show_shares(axes[row, -1], rolled[row] * rolled[0].size, "" if row else "rollout", _top(matrices))
        colour_bar(figure, shown, axes, "× even share")


def positions_picture(path: str | os.PathLike, table: np.ndarray) -> None:
    """Writes a PNG to `path`: for each place of a position table (h, w, D) its cosine similarity to all places.

    Above stand the means over all pairs of places that share a side, and over all other pairs.
    """
    rows, columns = table.shape[:2]
    unit = table / np.linalg.norm(table, axis=2, keepdims=True)
    beside, others = _neighbours_and_others(unit)
    with drawing(path, (0.66 * columns + 1.3, 0.66 * rows + 0.7), rows, columns) as (figure, axes):
        figure.suptitle(f"mean of neighbours {beside:.2f}, of all other pairs {others:.2f}", fontsize=10)
        for row, column in np.ndindex(rows, columns):
            shown = axes[row, column].imshow(unit @ unit[row, column], cmap="viridis", vmin=-1, vmax=1)
        for row in range(rows):
            axes[row, 0].set_ylabel(row + 1, fontsize=9, rotation=0, ha="right", va="center")
        for column in range(columns):
            axes[-1, column].set_xlabel(column + 1, fontsize=9)
        figure.supxlabel("column of the patch", fontsize=10)
        figure.supylabel("row of the patch", fontsize=10)
        colour_bar(figure, shown, axes, "cosine similarity of positions")


def _neighbours_and_others(unit):
    """Returns the mean product of unit vectors (h, w, D) over pairs of cells that share a side, and over the rest."""
    places = np.argwhere(np.ones(unit.shape[:2]))
    steps = np.abs(places[:, None] - places).sum(axis=2)
    products = unit.reshape(len(places), -1) @ unit.reshape(len(places), -1).T
    return products[steps == 1].mean(), products[steps > 1].mean()


def _top(matrices):
    """Returns the top of a scale in even shares that a few outliers don't set."""
    return np.quantile(matrices, 0.99) * matrices[0, 0].size


def _show_apart(axis, cut, title):
    """Shows patches (rows, columns, patch, patch, C) with white between them, numbered in the order of the tokens."""
    rows, columns, patch = cut.shape[:3]
    gap = max(1, patch // 10)
    padded = np.pad(cut, [(0, 0), (0, 0), (gap, gap), (gap, gap), (0, 0)], constant_values=1.0)
    step = patch + 2 * gap
    show_image(axis, padded.swapaxes(1, 2).reshape(rows * step, columns * step, -1), title)
    for row, column in np.ndindex(rows, columns):
        number = row * columns + column + 1
        place = (column * step + gap + 1, row * step + gap + 1)
        axis.text(*place, number, ha="left", va="top", fontsize=8, color="w", weight="bold")
    axis.axis("off")
