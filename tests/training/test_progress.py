"""What a person sees of a training: the bar or the lines, and the picture of the curves."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from keras_vit.pictures import confusion_picture, curves_picture
from keras_vit.training.monitor.progress import ShowProgress
from keras_vit.training.task import Monitor

ROWS = [
    {
        "epoch": i + 1,
        "loss": 2 / (i + 1),
        "accuracy": 1 - 1 / (i + 2),
        "val_loss": 2.1 / (i + 1),
        "val_accuracy": 1 - 1.1 / (i + 2),
        "learning_rate": 0.001 * (7 - i),
    }
    for i in range(7)
]


def showing(rate=0.00098, **options):
    """Returns a ShowProgress of a model that stands at the learning rate `rate`."""
    shown = ShowProgress(monitor=Monitor("val_accuracy", "max", ".2%"), **options)
    shown.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=rate)))
    return shown


def go_through(shown, first, epochs, steps):
    shown.on_train_begin()
    for epoch in range(first, epochs):
        shown.on_epoch_begin(epoch)
        for step in range(steps):
            shown.on_train_batch_end(step, {"loss": 0.125})
        shown.on_epoch_end(epoch, {"loss": 0.125, "val_accuracy": 0.75})
    shown.on_train_end()


def test_without_a_terminal_a_long_run_prints_few_lines(capsys):
    go_through(showing(epochs=103, steps=2, batch=5), 0, 103, 2)
    lines = capsys.readouterr().out.splitlines()
    assert 15 <= len(lines) <= 25
    assert lines[0].startswith("epoch 1/103") and lines[-1].startswith("epoch 103/103")
    assert "loss 0.1250" in lines[0] and "val accuracy 75.00%" in lines[0] and "images/s" in lines[0]
    assert "lr 9.8e-04" in lines[0] and lines[-1].endswith("0:00:00 left")


def test_a_short_run_prints_every_epoch(capsys):
    go_through(showing(epochs=5, steps=2, batch=5), 2, 5, 2)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["3/5", "4/5", "5/5"]


def test_on_a_terminal_a_bar_goes_over_the_whole_run(capsys):
    shown = showing(epochs=5, steps=7, batch=3, rows=ROWS[:2])
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=120)
    shown.on_train_begin()
    assert shown.bar.tasks[0].completed == 2 * 7  # or these steps would count as done in no time
    shown.on_epoch_begin(2)
    shown.on_train_batch_end(3, {"loss": 0.5})
    task = shown.bar.tasks[0]
    assert (task.completed, task.total) == (2 * 7 + 4, 5 * 7)
    assert "epoch 3/5  loss 0.5000  val 63.33%  lr 9.8e-04" in task.fields["figures"]
    shown.on_epoch_end(2, {"loss": 0.5, "val_accuracy": 0.875})
    shown.close()
    assert "epoch 3/5" in shown.console.file.getvalue()
    assert capsys.readouterr().out == ""


def bar_of(clock, monkeypatch, **options):
    """Returns a ShowProgress on a terminal whose time is the list `clock`, with one number."""
    monkeypatch.setattr("keras_vit.training.monitor.progress.time.monotonic", lambda: clock[0])
    shown = showing(**options)
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=120, get_time=lambda: clock[0])
    shown.on_train_begin()
    return shown


def test_the_bar_ends_with_the_numbers_of_the_last_validation(monkeypatch):
    clock = [0.0]
    shown = bar_of(clock, monkeypatch, epochs=5, steps=7, batch=3, rows=ROWS[:4])
    shown.on_epoch_begin(4)
    clock[0] = 2.0
    shown.on_train_batch_end(6, {"loss": 0.5})
    shown.on_epoch_end(4, {"loss": 0.4375, "val_accuracy": 0.875})
    shown.on_train_end()
    last = shown.console.file.getvalue().rstrip().rpartition("epoch 5/5")[2]
    assert "loss 0.4375  val 87.50%" in last


def test_the_bar_of_a_run_that_goes_on_first_estimates_the_time_of_the_steps_of_this_process(monkeypatch):
    clock = [100.0]
    shown = bar_of(clock, monkeypatch, epochs=100, steps=7, batch=3, rows=ROWS[:1] * 94, step=2)
    shown.on_epoch_begin(94)
    for step, seconds in ((2, 60.0), (3, 2.0), (4, 2.0)):  # the first compiles
        clock[0] += seconds
        shown.on_train_batch_end(step, {"loss": 0.5})
    assert shown.bar.tasks[0].time_remaining == 2 * (6 * 7 - 5)
    shown.close()


def test_images_per_second_are_those_of_the_epoch(monkeypatch):
    clocked(monkeypatch, 200.0, 204.0)
    shown = showing(epochs=5, steps=9, batch=30)
    shown.on_train_begin()
    shown.on_epoch_begin(0)
    shown.on_train_batch_end(7, {"loss": 0.5})
    assert "60 images/s" in shown._figures(0.5, "val")


def test_a_bar_of_long_figures_fits_into_80_columns():
    rows = [{"val_accuracy": 0.98765}] * 298
    shown = showing(epochs=300, steps=7, batch=16384, rows=rows)
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=80)
    shown.on_train_begin()
    shown.on_epoch_begin(298)
    shown.on_train_batch_end(6, {"loss": 0.5})
    shown._speed = 12345.0
    shown.bar.update(shown.task, figures=shown._figures(0.5, "val"), refresh=True)
    shown.close()
    *_, last = (line for line in shown.console.file.getvalue().split("\r") if "12,345" in line)
    assert "epoch 299/300  loss 0.5000  val 98.77%  lr 9.8e-04  12,345 images/s" in last and "━━━" in last


def test_a_bar_reads_the_learning_rate_a_few_times_a_second_however_short_the_steps():
    reads = []

    class Optimizer:
        @property
        def learning_rate(self):
            reads.append(1)
            return 0.5

    shown = showing(epochs=1, steps=1001, batch=3)
    shown.set_model(SimpleNamespace(optimizer=Optimizer()))
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=80)
    shown.on_train_begin()
    shown.on_epoch_begin(0)
    for step in range(1001):
        shown.on_train_batch_end(step, {"loss": 0.5})
    assert shown.bar.tasks[0].completed == 1001 and len(reads) < 500
    shown.close()


def clocked(monkeypatch, *times):
    clock = iter(times)
    monkeypatch.setattr("keras_vit.training.monitor.progress.time.monotonic", lambda: next(clock))


def test_an_epoch_that_goes_on_counts_the_steps_of_this_process_alone(monkeypatch, capsys):
    clocked(monkeypatch, 200.0, 260.0, 263.0, 273.0)  # the first step compiles for a minute
    shown = showing(epochs=5, steps=8, batch=30, step=4)
    shown.on_train_begin()
    shown.on_epoch_begin(1)
    shown.on_train_batch_end(4, {"loss": 0.5})
    shown.on_train_batch_end(7, {"loss": 0.5})
    shown.on_epoch_end(1, {"loss": 0.5, "val_accuracy": 0.5})
    assert capsys.readouterr().out.endswith("  0:00:54 left\n")  # 3 epochs of 8 steps of 1 s and 10 s for validation


def test_an_epoch_without_a_step_of_this_process_says_nothing_of_the_time_left(monkeypatch, capsys):
    clocked(monkeypatch, 200.0, 300.0, 400.0, 416.0, 420.0)
    shown = showing(epochs=4, steps=8, batch=30, step=8)  # terminated while it validated
    shown.on_train_begin()
    shown.on_epoch_begin(0)
    shown.on_epoch_end(0, {"loss": 0.5, "val_accuracy": 0.5})
    assert "left" not in capsys.readouterr().out
    shown.on_epoch_begin(1)
    shown.on_train_batch_end(7, {"loss": 0.5})
    shown.on_epoch_end(1, {"loss": 0.5, "val_accuracy": 0.5})
    assert capsys.readouterr().out.endswith("  0:00:40 left\n")  # 2 epochs of 8 steps of 2 s and 4 s


def test_a_run_that_goes_on_shows_the_pace_of_this_process(monkeypatch, capsys):
    clocked(monkeypatch, 100.0, 110.0, 111.0, 113.0)
    shown = showing(epochs=100, steps=2, batch=30, rows=ROWS[:1] * 94)
    shown.on_train_begin()
    shown.on_epoch_begin(94)
    shown.on_train_batch_end(0, {"loss": 0.5})
    shown.on_train_batch_end(1, {"loss": 0.5})
    shown.on_epoch_end(94, {"loss": 0.5, "val_accuracy": 0.5})
    assert capsys.readouterr().out.endswith("  0:00:20 left\n")  # 5 epochs of 2 s and 2 s


def test_titles_of_any_length_fit_into_their_pictures(tmp_path):
    title = "vit-ti16 (stem (64, 128), patch 1, width 256, depth 8, mlp_dim 512) on folder:/home/somebody/of/long/names"
    counts = np.array([[5, 1], [2, 7]])
    curves_picture(tmp_path / "curves.png", ROWS, title, number="loss", best=ROWS[-1])
    confusion_picture(tmp_path / "confusion.png", counts, ["cat", "dog"], title, [])
    for path in tmp_path.iterdir():
        grey = np.asarray(Image.open(path).convert("L"))
        top, edge = grey[: grey.shape[0] // 12], 3  # pixels
        assert (top < 128).any() and not (top[:, :edge] < 128).any() and not (top[:, -edge:] < 128).any(), path


@pytest.mark.parametrize("count", [1, 7])
def test_curves_are_a_readable_picture(tmp_path, count):
    curves_picture(tmp_path / "curves.png", ROWS[:count], "vit-ti16 on digits", best=ROWS[count - 1])
    assert [each.name for each in tmp_path.iterdir()] == ["curves.png"]
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert picture.shape[1] >= 1200 and picture.shape[0] >= 400
    for axes, colours in enumerate([("#0072B2", "#D55E00"), ("#0072B2", "#D55E00"), ("#009E73",)]):
        third = picture[:, axes * picture.shape[1] // 3 : (axes + 1) * picture.shape[1] // 3]
        for colour in colours:
            wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            assert (np.abs(third.astype(int) - wanted).max(-1) < 8).sum() > 20, (axes, colour)
