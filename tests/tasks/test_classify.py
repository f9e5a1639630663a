"""What options make of a network: its loss, what of it learns, and what is kept."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import Classify, Options, bundle, cli, data, registry, train
from keras_vit.tasks.classify import SigmoidLoss
from keras_vit.tasks.presets.classify import PRESETS
from keras_vit.training import loop
from keras_vit.training.totals import Totals

SMOKE = PRESETS["smoke"]()
SMALL = {**SMOKE.model.options, "dropout": 0.0}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One epoch of the smoke preset in temporary folders."""
    root = tmp_path_factory.mktemp("options")
    places = {"data_dir": str(root / "data"), "output": str(root / "run")}
    return SMOKE.replace(epochs=1, warmup_epochs=0.5, **places)


@pytest.fixture(scope="module")
def source(quick):
    return data.open_source("digits", data_dir=quick.data.data_dir)


def told(options):
    return json.loads(Path(options.run.output, "result.json").read_text())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_met_and_says_where_it_is_from(name):
    options, about = PRESETS[name](), PRESETS[name].__doc__
    registry.resolve(options.model.name, options.model.options)
    data.augmentation(options.data.augment)
    assert cli.parse(PRESETS, "Trains.", ["--preset", name], Options[Classify]) == options
    if options.data.name == "imagenet2012":
        assert (re.search(r"arXiv \d{4}\.\d{5}", about) and "%" in about) or name == "augreg"


@pytest.mark.slow
def test_a_run_with_everything_keeps_the_moving_average_that_it_measured(quick, source, tmp_path):
    options = quick.replace(
        output=str(tmp_path / "run"),
        model_options={**SMALL, "depth": 2, "drop_path": 0.1, "stem": (5,), "patch": 2},
        mixup=0.2,
        cutmix=1.0,
        random_erasing=0.1,
        repeated_augmentation=2,
        crop=0.875,
        optimizer="lamb",
        loss="sigmoid",
        target_threshold=0.2,
        layer_decay=0.75,
        head_epochs=0.5,
        gradient_accumulation=2,
        clip_norm=1.0,
        ema=0.9,
        sam=0.05,
    )
    trained = train(options)
    model, history, result = trained.model, trained.history, told(options)
    preprocessing = data.model_preprocessing(model)
    assert preprocessing.crop == 0.875
    assert bundle.of(keras.saving.load_model(trained.folder.best)).activation == "sigmoid"
    for split, expected in (("validation", history.history["val_accuracy"][-1]), ("test", result["test"]["accuracy"])):
        batches = data.evaluation_batches(source, split, data.decoder(source.targets, preprocessing), 61)
        hits = [model(each["image"]).numpy().argmax(-1) == each["label"].numpy() for each in batches]
        np.testing.assert_allclose(np.mean(np.concatenate(hits)), expected, atol=1e-6)


def test_a_training_that_begins_from_the_file_of_another_inherits_its_preprocessing(quick, source, tmp_path):
    first = keras_vit.build("vit-ti16", **SMALL, classes=10, channels=1, image_size=8)
    bundle.update(
        first, preprocessing=data.Preprocessing((8, 8), 1, mean=0.3, std=0.7, crop=0.75), activation="sigmoid"
    )
    first.save(tmp_path / "first.keras")
    options = quick.replace(model="vit-ti16", model_options=SMALL, image_size=8, weights=str(tmp_path / "first.keras"))
    for crop, expected in ((None, 0.75), (0.5, 0.5)):
        learner = options.task.learner(options.replace(crop=crop), source)
        kept = learner.finished()
        assert data.model_preprocessing(kept) == data.Preprocessing((8, 8), 1, mean=0.3, std=0.7, crop=expected)
        assert bundle.of(kept).activation == "softmax"  # what it learns by now


@pytest.mark.slow
def test_a_network_is_measured_at_another_size_than_it_learns_at(quick, source, tmp_path):
    small = {"blocks": (1, 0, 0, 0), "width": 8, "dropout": 0.0}
    options = quick.replace(
        model="resnet-18", model_options=small, image_size=12, test_size=20, crop=0.9, output=str(tmp_path / "a")
    )
    learner = options.task.learner(options, source)
    decode = options.task.example(options, source, learner, training=True)
    batch = next(iter(data.training_batches(source, decode, options.optim.batch_size, epochs=1)))
    assert batch["image"].shape == (options.optim.batch_size, 12, 12, 1)
    trained = train(options)
    model, history, result = trained.model, trained.history, told(options)
    assert data.model_preprocessing(model) == data.Preprocessing((20, 20), 1, crop=0.9)
    for split, expected in (("validation", history.history["val_accuracy"][-1]), ("test", result["test"]["accuracy"])):
        batches = data.evaluation_batches(
            source, split, data.decoder(source.targets, data.Preprocessing((20, 20), 1, crop=0.9)), 61
        )
        hits = [model(each["image"]).numpy().argmax(-1) == each["label"].numpy() for each in batches]
        np.testing.assert_allclose(np.mean(np.concatenate(hits)), expected, atol=1e-6)
    train(options)  # a run that is done
    with pytest.raises(ValueError, match=r"test_size=20 goes with an image_size"):
        train(options.replace(image_size=None, output=str(tmp_path / "b")))
    with pytest.raises(ValueError, match="the mixing of patches has a weight for each"):
        train(options.replace(model="mixer-s16", model_options={}, output=str(tmp_path / "b")))


@pytest.mark.slow
def test_a_student_learns_from_a_run_and_is_kept_with_one_head(quick, tmp_path):
    teacher = quick.replace(model="lenet-5", model_options={}, image_size=32, output=str(tmp_path / "a"))
    train(teacher)
    student = quick.replace(
        model="deit-ti16-distilled", model_options=SMALL, teacher=teacher.run.output, output=str(tmp_path / "b")
    )
    trained = train(student)
    model, history = trained.model, trained.history
    assert model.output_shape == (None, 10) and not any("lenet" in layer.name for layer in model.layers)
    assert model.count_params() == told(student)["parameters"] < 20_000
    assert 0 <= history.history["val_accuracy"][-1] <= 1
    with pytest.raises(ValueError, match="nowhere"):
        train(student.replace(teacher="nowhere", output=str(tmp_path / "c")))
    keras_vit.build("lenet-5", classes=10, channels=1).save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(ValueError, match=r"teacher 'lenet-5:.*own.weights.h5' says nothing of how its images"):
        train(student.replace(teacher=f"lenet-5:{tmp_path / 'own.weights.h5'}", output=str(tmp_path / "c")))
    with pytest.raises(ValueError, match="swin-t has no distillation token to learn from a teacher with"):
        train(student.replace(model="swin-t", model_options={}, output=str(tmp_path / "c")))


def test_low_rank_matrices_are_added_to_what_is_kept(quick, source):
    options = quick.replace(lora=2, model_options=SMALL)
    learner = options.task.learner(options, source)
    before = dict(_named(learner.network))
    x = _three_steps(options, learner)
    moved = {path for path, value in _named(learner.network) if not np.array_equal(value, before[path])}
    assert moved and all("lora" in path or path.startswith("head/") for path in moved)
    kept = learner.finished()
    assert not any("lora" in weight.path for weight in kept.weights)
    np.testing.assert_allclose(kept(x), learner.network(x), atol=1e-5)


def _three_steps(options, learner):
    """Trains on three random batches and returns the images of the last."""
    rng, strategy = np.random.default_rng(3), tf.distribute.get_strategy()
    x, y = rng.normal(size=(64, 8, 8, 1)).astype("float32"), np.eye(10, dtype="float32")[rng.integers(0, 10, 64)]
    batches = tf.data.Dataset.from_tensors({"image": x, "label": y}).repeat()
    totals = Totals(strategy, {"accuracy": keras.metrics.CategoricalAccuracy()})
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(learner.network.trainable_variables)
    step, iterator = loop.make_train_function(options.task, learner.model, optimizer, totals), iter(batches)
    for _ in range(3):
        step(iterator)
    return x


def _named(model):
    return [(weight.path, weight.numpy()) for weight in model.weights]


def test_a_probe_moves_the_head_alone(quick, source):
    options = quick.replace(freeze="head", model_options=SMALL)
    learner = options.task.learner(options, source)
    before = dict(_named(learner.network))
    _three_steps(options, learner)
    moved = {path for path, value in _named(learner.network) if not np.array_equal(value, before[path])}
    assert moved == {"head/kernel", "head/bias"}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [None, 0.2])
def test_sigmoid_loss_equals_numpy(rng, smoothing, threshold):
    logits, shares = rng.normal(size=(11, 7)) * 3, rng.dirichlet(np.ones(7), 11)
    targets = shares * (1 - smoothing) + smoothing / 7
    if threshold is not None:
        targets = (targets > threshold).astype("float64")
    p = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    loss = SigmoidLoss(smoothing, threshold)
    np.testing.assert_allclose(loss(shares, logits.astype("float32")), expected, rtol=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    np.testing.assert_allclose(again(shares, logits.astype("float32")), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"head_epochs": 1.0}, "1.0 head_epochs do not fit into 1 epochs"),
        ({"sam": 0.0}, "sam is above 0, not 0.0"),
        ({"ema": 1.0}, "ema is a share between 0 and 1 such as 0.9999, not 1.0"),
        ({"target_threshold": 0.2}, "target_threshold=0.2 goes with loss='sigmoid'"),
        ({"teacher": "x", "loss": "sigmoid", "model": "deit-ti16"}, "a teacher goes with loss='softmax'"),
        ({"lora": 2, "freeze": "head"}, "lora leaves nothing but its own matrices"),
        (
            {"augment": "randaugment-11"},
            "no augmentation 'randaugment-11'; it is one of none, .*, or randaugment-MAGNITUDE",
        ),
        ({"freeze": "block_7"}, "no layer 'block_7' to freeze until"),
        ({"model": "resnet-18", "model_options": {}, "image_size": 32, "lora": 2}, "has no attention to adapt"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_written(quick, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(quick.replace(output=str(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_magnitude_of_randaugment_counts(source):
    preprocessing = data.Preprocessing(image_size=(16, 16), channels=1)

    def images(augment):
        decode = data.decoder(source.targets, preprocessing, augment)
        return next(iter(data.training_batches(source, decode, 32, epochs=1)))["image"].numpy()

    np.testing.assert_array_equal(images("randaugment"), images("randaugment-9"))
    assert np.abs(images("randaugment-9") - images("randaugment-3")).max() > 0.1


def test_the_model_that_is_kept_of_a_plain_run_is_the_one_that_build_makes(quick, source):
    kept = quick.task.learner(quick, source).finished()
    built = keras_vit.build(quick.model.name, classes=10, channels=1, image_size=8, **quick.model.options)
    assert [w.path for w in kept.weights] == [w.path for w in built.weights] and kept.name == built.name
