"""Errors that end a training, each a sentence of what happened and what helps."""


class DivergedError(ArithmeticError):
    """The loss or a weight is no finite number any more."""


class WorkerLostError(ConnectionError):
    """Another worker is gone, and no step can be taken without it."""
