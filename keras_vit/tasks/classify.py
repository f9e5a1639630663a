"""Classification: which of several classes an image is of."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classify:
    """Classification: mixed images, loss and teacher"""

    mixup: float = 0.0
    """alpha of the Beta distribution that two mixed images are weighted by; 0 for none (Zhang et al. 2018)"""
    cutmix: float = 0.0
    """alpha of the boxes cut from another image; with mixup, one of both for each batch (Yun et al. 2019)"""
    loss: Literal["softmax", "sigmoid"] = "softmax"
    """cross-entropy over the classes, or binary cross-entropy of each class"""
    label_smoothing: float = 0.1
    """fraction of each label that is spread over all classes"""
    target_threshold: float | None = None
    """with sigmoid: a mixed image is of each class whose share is above it"""
    teacher: str | None = None
    """folder of a run, or MODEL:TAG of a published checkpoint, to distil from (DeiT)"""

    def __post_init__(self):
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is from 0 to below 1, not {self.label_smoothing}")
        if self.target_threshold is not None and (self.loss != "sigmoid" or not 0 <= self.target_threshold < 1):
            raise ValueError(f"target_threshold={self.target_threshold} goes with loss='sigmoid', from 0 to below 1")
        if self.teacher is not None and self.loss != "softmax":
            raise ValueError("a teacher goes with loss='softmax' and without lora")

    def check(self, options: Any) -> None:
        """Raises ValueError where the task's own options don't go with the others of its training."""
        if self.teacher is not None and options.model.lora is not None:
            raise ValueError("a teacher goes with loss='softmax' and without lora")
        if self.teacher is not None and (size := options.data.test_size) is not None:
            raise ValueError(f"test_size={size} goes with an image_size to train at, and without a teacher")
