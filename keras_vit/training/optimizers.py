"""The optimizer of the Vision Transformer papers."""

import keras


def adamw(variables, learning_rate, weight_decay, steps, warmup_steps=0):
    """Returns AdamW (Loshchilov & Hutter, 2019) for `variables`, decaying kernels only.

    The learning rate rises from 0 to `learning_rate` over `warmup_steps`, then falls to 0 as a cosine until
    step `steps`. Biases, norms, positions and tokens are not decayed: nothing makes 0 their best guess.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(f"a warm-up of {warmup_steps} steps does not fit a training of {steps} steps")
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=steps - warmup_steps,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay([each for each in variables if not each.path.endswith("/kernel")])
    optimizer.build(variables)
    return optimizer
