"""What checks annotations during tests: beartype, with an int good enough where a float is asked for (PEP 484)."""

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def typechecker(function):
    """Leaves the constructors of dataclasses alone: jax rebuilds pytrees with shapes, shardings or flags for arrays."""
    return function if getattr(function, "__name__", "") == "__init__" else _check(function)
