"""Learning from a teacher: DeiT's hard distillation, as a model and a loss that Keras trains like any other.

Touvron et al. 2021 (arXiv 2012.12877): the class token learns from the labels, the distillation token from the class
that the teacher finds likeliest in the same, augmented, image.
"""

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from keras_vit.data import Preprocessing


HEADS = ("head", "head_dist")  # of a student built with distillation="both"


def distil(
    student: keras.Model,
    teacher: keras.Model,
    preprocessing: "Preprocessing | None" = None,
    teachers: "Preprocessing | None" = None,
) -> keras.Model:
    """Returns a model from images to (B, 3, classes): the logits of `student`'s two heads and of `teacher`.

    It shares the weights of `student`, which is built with distillation="both", and trains with HardDistillation.
    `teacher` is any classifier of the same classes; it is frozen, and computes as at inference. Where it was trained
    with another Preprocessing than the student, give the student's, `preprocessing`, and the `teachers`:
    its images are then resized and normalised as its own were. Raises ValueError for models that don't fit.
    """
    _check(student, teacher)
    teacher.trainable = False
    images = student.input
    seen = images if teachers is None else _as_seen_by(images, preprocessing, teachers)
    if tuple(seen.shape[1:]) != tuple(teacher.input_shape[1:]) and None not in teacher.input_shape[1:3]:
        raise ValueError(
            f"teacher {teacher.name} takes images {teacher.input_shape[1:]}, not {tuple(seen.shape[1:])}; "
            "give preprocessing and teachers, the Preprocessing of student and teacher"
        )
    logits = [*(student.output[name] for name in HEADS), teacher(seen, training=False)]
    return keras.Model(images, ops.stack([ops.cast(each, "float32") for each in logits], axis=1), name="distilled")


def _check(student, teacher):
    if not isinstance(student.output, dict) or set(student.output) != set(HEADS):
        raise ValueError(f"student {student.name} has not the two heads of distillation='both'")
    if isinstance(teacher.output, dict):
        raise ValueError(f"teacher {teacher.name} gives {', '.join(teacher.output)}, not one classifier's logits")
    ours, theirs = student.output["head"].shape[-1], teacher.output_shape[-1]
    if ours != theirs:
        raise ValueError(f"student {student.name} has {ours} classes, teacher {teacher.name} {theirs}")


def _as_seen_by(images, ours, theirs):
    """Returns images normalised by the Preprocessing `ours` as `theirs` would resize and normalise them."""
    mean, std, to_mean, to_std = (
        ops.broadcast_to(ops.convert_to_tensor(each, "float32"), (ours.channels,))
        for each in (ours.mean, ours.std, theirs.mean, theirs.std)
    )
    scale, offset = std / to_std, (mean - to_mean) / to_std
    if tuple(images.shape[1:3]) != theirs.image_size:
        resize = {"interpolation": theirs.interpolation, "antialias": True, "data_format": "channels_last"}
        images = keras.layers.Resizing(*theirs.image_size, name="teacher_size", **resize)(images)
    numbers = (ops.convert_to_numpy(each).tolist() for each in (scale, offset))
    return keras.layers.Rescaling(*numbers, name="teacher_values")(images)


@keras.saving.register_keras_serializable("keras_vit")
class HardDistillation(keras.losses.Loss):
    """Half the cross-entropy of the labels and the first head, half that of the teacher's class and the second.

    Labels are (B,) numbers or (B, classes) probabilities, mixed ones too; `label_smoothing` softens them, and never
    the teacher's. Predictions are those of `distil`.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "hard_distillation", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        head, head_dist, teacher = ops.unstack(y_pred, 3, axis=1)
        classes = head.shape[-1]
        labels = probabilities(y_true, classes) * (1 - self.label_smoothing) + self.label_smoothing / classes
        taught = ops.one_hot(ops.argmax(ops.stop_gradient(teacher), axis=-1), classes, dtype=head.dtype)
        return 0.5 * (_cross_entropy(labels, head) + _cross_entropy(taught, head_dist))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("keras_vit")
def student_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns (B,): 1 where the mean of the student's heads in a prediction of `distil` finds the likeliest label."""
    found = ops.argmax(y_pred[:, 0] + y_pred[:, 1], axis=-1)
    expected = ops.argmax(probabilities(y_true, y_pred.shape[-1]), axis=-1)
    return ops.cast(ops.equal(found, expected), "float32")


def probabilities(labels: Any, classes: int) -> Any:
    if len(labels.shape) == 2 and labels.shape[-1] == classes:
        return ops.cast(labels, "float32")
    return ops.one_hot(ops.reshape(ops.cast(labels, "int32"), (-1,)), classes, dtype="float32")  # Keras adds an axis


def _cross_entropy(labels, logits):
    return -ops.sum(labels * ops.log_softmax(logits, axis=-1), axis=-1)
