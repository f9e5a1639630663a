"""LAMB as its paper has it, with decay inside the trust ratio."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_vit")
class Lamb(keras.optimizers.Lamb):
    """LAMB, You et al. 2020 (arXiv 1904.00962), with a decay for each variable.

    A step is Adam's, plus `decays` times the variable, scaled so that its norm is the learning rate times the
    variable's. keras.optimizers.Lamb decays beside that ratio, which is another algorithm. Where the decay is
    0 the step is Adam's alone, as in the training of DeiT III: the norms of biases and scales say nothing.
    `decays` follow the order of the variables that it is built with.
    """

    def __init__(self, learning_rate=0.001, *, decays, epsilon=1e-6, **kwargs):
        if kwargs.pop("weight_decay", None) is not None:
            raise ValueError("Lamb decays each variable by its own of decays; it takes no weight_decay")
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)
        self.decays = tuple(decays)

    def build(self, variables):
        if len(variables) != len(self.decays):
            raise ValueError(f"{len(self.decays)} decays do not match {len(variables)} variables")
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        gradient, step = (ops.cast(each, variable.dtype) for each in (gradient, self.iterations + 1))
        first, second = self._momentums[i], self._velocities[i]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        update = first / (1 - self.beta_1**step) / (ops.sqrt(second / (1 - self.beta_2**step)) + self.epsilon)
        if self.decays[i]:
            update = update + self.decays[i] * variable
            norm, length = (ops.sqrt(ops.sum(ops.square(each))) for each in (variable, update))
            known = ops.logical_and(norm > 0, length > 0)
            update = update * ops.where(known, norm / ops.where(known, length, 1.0), 1.0)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * update)

    def get_config(self):
        return {**super().get_config(), "decays": self.decays}


def lamb(variables, learning_rate, weight_decay, **options):
    """Returns Lamb for `variables`, built, decaying kernels only; `learning_rate` is a number or a schedule."""
    decays = [weight_decay if variable.path.endswith("/kernel") else 0.0 for variable in variables]
    optimizer = Lamb(learning_rate, decays=decays, **options)
    optimizer.build(variables)
    return optimizer
