"""Hard distillation against its definition in NumPy, with teachers of other families."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data import Preprocessing
from keras_vit.tasks.distillation import HardDistillation, distil, student_accuracy
from keras_vit.testing import small

CLASSES = small("deit").output_shape[-1]


def student():
    return small("deit", distillation="both")


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def batch(model, count=5):
    rng = np.random.default_rng(3)
    images = rng.normal(size=(count, *model.input_shape[1:])).astype("float32")
    return images, rng.dirichlet(np.ones(CLASSES), count).astype("float32")


def test_predictions_are_those_of_both_heads_and_the_teacher():
    ours, teacher = student(), small("resnet", image_size=student().input_shape[1:3])
    images, _ = batch(ours)
    got = distil(ours, teacher)(images, training=False).numpy()
    expected = ours(images, training=False)
    np.testing.assert_allclose(got[:, 0], expected["head"], atol=1e-5)
    np.testing.assert_allclose(got[:, 1], expected["head_dist"], atol=1e-5)
    np.testing.assert_allclose(got[:, 2], teacher(images, training=False), atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_half_of_each_cross_entropy(rng, smoothing):
    logits = rng.normal(size=(11, 3, 7)) * 3
    labels = rng.dirichlet(np.ones(7), 11)
    taught = np.eye(7)[logits[:, 2].argmax(-1)]
    smooth = (1 - smoothing) * labels + smoothing / 7
    head, head_dist = log_softmax(logits[:, 0]), log_softmax(logits[:, 1])
    expected = -0.5 * ((smooth * head).sum(-1) + (taught * head_dist).sum(-1)).mean()
    loss = HardDistillation(label_smoothing=smoothing)
    np.testing.assert_allclose(loss(labels, logits.astype("float32")), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(11,), (11, 1)])
def test_labels_may_be_numbers(rng, shape):
    logits = rng.normal(size=(11, 3, 7)).astype("float32")
    numbers = rng.integers(0, 7, 11)
    hard = np.eye(7)[numbers].astype("float32")
    loss = HardDistillation()
    np.testing.assert_allclose(loss(numbers.reshape(shape), logits), loss(hard, logits), rtol=1e-6)
    expected = (logits[:, :2].mean(1).argmax(-1) == numbers).astype("float32")
    np.testing.assert_array_equal(student_accuracy(numbers.reshape(shape), logits), expected)
    np.testing.assert_array_equal(student_accuracy(hard, logits), expected)


def test_training_moves_the_student_towards_its_teacher_and_leaves_the_teacher():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    ours = student()
    teacher = small("resnet", image_size=ours.input_shape[1:3])
    before = [weight.numpy() for weight in teacher.weights]
    model = distil(ours, teacher)
    assert model.output.dtype == "float32"
    model.compile(keras.optimizers.Adam(1e-2), HardDistillation(), metrics=[student_accuracy])
    images, labels = batch(ours, 16)
    before_loss = HardDistillation()(labels, model(images))
    model.fit(images, labels, 16, epochs=12, verbose=0)
    last = model.evaluate(images, labels, verbose=0, return_dict=True)
    assert last["loss"] < before_loss - 0.5
    right = student_accuracy(labels, model(images, training=False))
    np.testing.assert_allclose(last["student_accuracy"], np.mean(right), atol=0.07)  # one of 16 may tip over
    for weight, old in zip(teacher.weights, before, strict=True):  # batch statistics too
        np.testing.assert_array_equal(weight, old)
    found = ours(images, training=False)["head_dist"].numpy().argmax(-1)
    assert (found == teacher(images, training=False).numpy().argmax(-1)).mean() > 0.9


def test_only_the_student_trains_and_each_head_has_its_own_gradient():
    ours = student()
    model = distil(ours, small("resnet", image_size=ours.input_shape[1:3]))
    assert {v.path for v in model.trainable_variables} == {v.path for v in ours.trainable_variables}
    images, labels = batch(ours)
    heads = [ours.get_layer(name).kernel.value for name in ("head", "head_dist")]
    with tf.GradientTape() as tape:
        predicted = model(images)
        loss = HardDistillation()(labels, predicted)
    gradients = tape.gradient(loss, [predicted, *heads])
    probabilities = np.exp(log_softmax(predicted.numpy()))
    taught = np.eye(CLASSES)[predicted.numpy()[:, 2].argmax(-1)]
    np.testing.assert_allclose(gradients[0][:, 0], 0.5 / 5 * (probabilities[:, 0] - labels), atol=1e-6)
    np.testing.assert_allclose(gradients[0][:, 1], 0.5 / 5 * (probabilities[:, 1] - taught), atol=1e-6)
    assert not np.any(gradients[0][:, 2])


def test_teacher_sees_images_as_its_own_preprocessing_makes_them():
    ours = student()
    size = ours.input_shape[1:3]
    mine = Preprocessing(size, 3)
    its = Preprocessing(size, 3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    teacher = small("resnet", image_size=size)
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype="uint8")
    got = distil(ours, teacher, mine, its)(mine(image)).numpy()[:, 2]
    np.testing.assert_allclose(got, teacher(its(image)), rtol=1e-3, atol=1e-4)


def test_teacher_of_another_size_sees_resized_images():
    ours = student()
    height, width = ours.input_shape[1:3]
    mine = Preprocessing((height, width), 3, mean=0.0, std=1.0)
    its = Preprocessing((2 * height, 2 * width), 3, mean=0.0, std=1.0, interpolation="bicubic")
    teacher = small("resnet", image_size=its.image_size)
    images, _ = batch(ours)
    larger = tf.image.resize(images, its.image_size, method="bicubic", antialias=True)
    got = distil(ours, teacher, mine, its)(images).numpy()[:, 2]
    np.testing.assert_allclose(got, teacher(larger), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="give preprocessing and teachers"):
        distil(ours, teacher)


def test_loss_is_made_anew_from_its_configuration():
    again = keras.losses.deserialize(keras.losses.serialize(HardDistillation(label_smoothing=0.3)))
    assert isinstance(again, HardDistillation) and again.label_smoothing == 0.3


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="has not the two heads of distillation='both'"):
        distil(small("deit"), small("vit"))
    with pytest.raises(ValueError, match="teacher .* gives .*head_dist"):
        distil(student(), student())
    with pytest.raises(ValueError, match=f"has {CLASSES} classes, teacher .* {CLASSES + 1}"):
        distil(student(), small("vit", classes=CLASSES + 1))
