"""Draws how a training went."""

from keras_vit.backend import load
from keras_vit.files import replacing

# of Okabe & Ito's palette, which colour-blind eyes tell apart; the line styles differ too
TRAINING = {"color": "#0072B2", "linestyle": "--", "label": "training"}
VALIDATION = {"color": "#D55E00", "linestyle": "-", "label": "validation"}


def draw(rows, path, title, best=None):
    """Writes a PNG of loss, accuracy and learning rate over the epochs in `rows`; `best` is marked."""
    figure = load("matplotlib.figure").Figure(figsize=(12, 3.8), layout="constrained", dpi=120)
    losses, accuracies, rates = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    marker = "o" if len(rows) == 1 else None  # a line needs two points
    for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
        axes.plot(epochs, [row[name] for row in rows], marker=marker, **TRAINING)
        axes.plot(epochs, [row[f"val_{name}"] for row in rows], marker=marker, **VALIDATION)
        axes.set(ylabel=name)
    rates.plot(epochs, [row["learning_rate"] for row in rows], color="#009E73", marker=marker)
    rates.set(ylabel="learning rate at the end of the epoch")
    if best is not None:
        label = f"best: epoch {best['epoch']}, {best['val_accuracy']:.2%}"
        accuracies.plot(best["epoch"], best["val_accuracy"], "o", color="black", mfc="none", ms=9, label=label)
    accuracies.yaxis.set_major_formatter(load("matplotlib.ticker").PercentFormatter(1.0))
    for axes in (losses, accuracies, rates):
        axes.set(xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    losses.legend(frameon=False)
    accuracies.legend(frameon=False, loc="lower right")
    figure.suptitle(title)
    with replacing(path) as partial:
        figure.savefig(partial)
