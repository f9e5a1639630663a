"""The optimizers of the papers, with their schedule and their parameter groups."""

import keras

from keras_vit.heads import HEADS
from keras_vit.training.optim.layer_decay import rate_scales
from keras_vit.training.optim.parameter_groups import GroupedAdamW, GroupedSGD, Lamb
from keras_vit.training.options import Optim, chosen

OPTIMIZERS = {
    "adamw": GroupedAdamW,
    "lamb": Lamb,
    "sgd": lambda *args, **options: GroupedSGD(*args, momentum=0.9, **options),
}


def warmup_cosine(
    learning_rate: float, steps: int, warmup_steps: int = 0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the schedule that rises from 0 to `learning_rate` over `warmup_steps`, then falls to 0 as a cosine.

    It ends at step `steps`; Loshchilov & Hutter 2017 (arXiv 1608.03983) without restarts.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(f"a warm-up of {warmup_steps} steps does not fit a training of {steps} steps")
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=steps - warmup_steps,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def schedule_of(options: Optim, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the schedule that `options` ask for; `steps` are those of one epoch."""
    return warmup_cosine(options.learning_rate, options.epochs * steps, round(chosen(options.warmup_epochs) * steps))


def optimizer_of(options: Optim, model: keras.Model, steps: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer that `options` ask for, built for `model`; `steps` are those of one epoch."""
    return make_optimizer(
        options.optimizer,
        model,
        schedule_of(options, steps),
        weight_decay=options.weight_decay,
        layer_decay=options.layer_decay,
        head_steps=round(options.head_epochs * steps),
        ema=options.ema,
    )


def make_optimizer(
    name: str,
    model: keras.Model,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
    head_steps: int = 0,
    ema: float | None = None,
) -> keras.optimizers.Optimizer:
    """Returns the optimizer called `name` ("adamw", "lamb" or "sgd" with momentum 0.9) for `model`, built.

    `learning_rate` is a number or a schedule. Kernels decay by `weight_decay`; nothing makes 0 the best guess for
    biases, norms, positions and tokens. Rates shrink by `layer_decay` a layer towards the pixels. In the first
    `head_steps` steps the heads alone learn. With `ema` a moving average of the weights is kept, of which that
    share stays at each step. Layers that are to be frozen are frozen before.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"no optimizer {name!r}; it is one of {', '.join(OPTIMIZERS)}")
    variables = model.trainable_variables
    heads = {id(each) for layer in model.layers if layer.name in HEADS for each in layer.trainable_variables}
    if head_steps and not heads:
        raise ValueError(f"{model.name} has no layer {' or '.join(HEADS)} to train first")
    scales = rate_scales(model, layer_decay)
    made = OPTIMIZERS[name](
        learning_rate,
        scales=[scales[each.path] for each in variables],
        decays=[weight_decay if each.path.endswith("/kernel") else 0.0 for each in variables],
        starts=[0 if id(each) in heads else head_steps for each in variables],
        **({} if ema is None else {"use_ema": True, "ema_momentum": ema}),
    )
    made.build(variables)
    return made
