"""`digan config`."""

from __future__ import annotations

from digan_jax.errors import InputError
from digan_jax.verbs.train import CONFIG_HELP, CONFIG_NAME


def add(verbs) -> None:
    p = verbs.add_parser(
        "config",
        help="show a checked configuration",
        description="Print a checked configuration with all its fields, and the sizes of its networks.",
        epilog=CONFIG_HELP,
    )
    which = p.add_mutually_exclusive_group(required=True)
    which.add_argument("--config", metavar="NAME", help=CONFIG_NAME)
    which.add_argument("--list", action="store_true", help="list the shipped configurations")
    p.add_argument("--arrays", action="store_true", help="also print shape and size of every array of the networks")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax import config as config_lib
    from digan_jax.config import files

    if a.list:
        if a.overrides:
            raise InputError(f"--list: takes no {a.overrides[0]}; name a configuration by --config.")
        for name, line in files.shipped().items():
            print(f"{name:20} {line}")
        return

    config = files.load(a.config, a.overrides)
    for name, value in config_lib.records.flatten(config).items():
        print(f"{name} = {value!r}")

    from clu import parameter_overview

    from digan_jax.models import families

    print("\nparameters")
    for name, shapes in families.of(config).networks(config).items():
        parts = ", ".join(f"{part} {parameter_overview.count_parameters(tree):,}" for part, tree in shapes.items())
        print(f"  {name:10} {parameter_overview.count_parameters(shapes):>12,}  ({parts})")
        if a.arrays:
            print(parameter_overview.get_parameter_overview(shapes, include_stats=False))
