"""The one exception a person's input can raise."""


class InputError(ValueError):
    """Input that cannot be used. The message says the value, the reason and the cure.

    The command line prints the message alone and exits with status 2; from Python it is an ordinary `ValueError`.
    """


class TrainingDiverged(RuntimeError):
    """A loss or a weight is no longer finite. The message says the step, the term and the last good checkpoint."""
