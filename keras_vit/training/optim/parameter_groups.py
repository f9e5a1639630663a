"""Optimizers that treat each variable in its own way: a factor of the learning rate, a decay, a first step."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_vit import keras_internals


class Groups:
    """What optimizers with parameter groups share; comes before the optimizer of Keras among a class's bases.

    `scales` (factors of the learning rate), `decays` and `starts` (steps before which a variable stays what it is)
    follow the order of the variables that the optimizer is built with. Factor and start act on the decay too, as
    in parameter groups of PyTorch. Keras decays all variables at one rate before its steps; here both happen in
    `update_step`, which Keras calls once a variable with the reduced gradient, under every strategy.
    """

    iterations: Any  # of the optimizer

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.001,
        *,
        decays: Sequence[float],
        scales: Sequence[float] | None = None,
        starts: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("weight_decay", None) is not None:
            raise ValueError(
                f"{type(self).__name__} decays each variable by its own of decays; it takes no weight_decay"
            )
        super().__init__(learning_rate, **kwargs)  # type: ignore[call-arg]  # the optimizer's, not object's
        self._scheduled = isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule)
        self.decays = tuple(decays)
        self.scales = (1.0,) * len(self.decays) if scales is None else tuple(scales)
        self.starts = (0,) * len(self.decays) if starts is None else tuple(starts)

    def build(self, variables):
        counts = {name: len(getattr(self, name)) for name in ("scales", "decays", "starts")}
        if set(counts.values()) != {len(variables)}:
            given = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise ValueError(f"{given} do not match {len(variables)} variables")
        super().build(variables)
        if self._scheduled:
            # the last one: states that are older than it hold all others
            self.set_rate = self.add_variable((), initializer=keras.initializers.Constant(-1.0), name="set_rate")

    @property
    def learning_rate(self):
        """The rate of the next step: that of the schedule, until a number is set, which then holds to the end.

        Keras refuses to set the rate of an optimizer with a schedule; callbacks such as ReduceLROnPlateau do.
        """
        rate = super().learning_rate
        if not self._scheduled or not self.built:
            return rate
        return ops.where(self.set_rate >= 0, ops.cast(self.set_rate, rate.dtype), rate)

    @learning_rate.setter
    def learning_rate(self, rate):
        if self._scheduled and self.built and not callable(rate):
            self.set_rate.assign(rate)
        else:
            keras.optimizers.Optimizer.learning_rate.fset(self, rate)

    def own_rate(self, variable: Any, learning_rate: Any) -> tuple[Any, float]:
        """Returns the learning rate and the decay of `variable` in this step."""
        i = keras_internals.variable_index(self, variable)
        rate = ops.cast(learning_rate, variable.dtype) * self.scales[i]
        if self.starts[i]:
            rate = rate * ops.cast(self.iterations >= self.starts[i], variable.dtype)
        return rate, self.decays[i]

    def get_config(self):
        return {**super().get_config(), "scales": self.scales, "decays": self.decays, "starts": self.starts}


class _DecoupledDecay(Groups):
    def update_step(self, gradient, variable, learning_rate):
        rate, decay = self.own_rate(variable, learning_rate)
        if decay:
            self.assign_sub(variable, variable * (rate * decay))
        super().update_step(gradient, variable, rate)


@keras.saving.register_keras_serializable("keras_vit")
class GroupedAdamW(_DecoupledDecay, keras.optimizers.Adam):
    """AdamW, Loshchilov & Hutter 2019 (arXiv 1711.05101), with parameter groups."""


@keras.saving.register_keras_serializable("keras_vit")
class GroupedSGD(_DecoupledDecay, keras.optimizers.SGD):
    """Gradient descent with momentum and decoupled decay (Loshchilov & Hutter 2019), with parameter groups."""


@keras.saving.register_keras_serializable("keras_vit")
class Lamb(Groups, keras.optimizers.Lamb):
    """LAMB, You et al. 2020 (arXiv 1904.00962), with parameter groups.

    A step is Adam's, plus the decay times the variable, scaled so that its norm is the learning rate times the
    variable's. keras.optimizers.Lamb decays beside that ratio, which is another algorithm. Where the decay is
    0 the step is Adam's alone, as in the training of DeiT III: the norms of biases and scales say nothing.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.001,
        *,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        rate, decay = self.own_rate(variable, learning_rate)
        i = keras_internals.variable_index(self, variable)
        gradient, step = (ops.cast(each, variable.dtype) for each in (gradient, self.iterations + 1))
        first, second = keras_internals.moments(self)[i]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        update = first / (1 - self.beta_1**step) / (ops.sqrt(second / (1 - self.beta_2**step)) + self.epsilon)
        if decay:
            update = update + decay * variable
            norm, length = (ops.sqrt(ops.sum(ops.square(each))) for each in (variable, update))
            known = ops.logical_and(norm > 0, length > 0)
            update = update * ops.where(known, norm / ops.where(known, length, 1.0), 1.0)
        self.assign_sub(variable, rate * update)
