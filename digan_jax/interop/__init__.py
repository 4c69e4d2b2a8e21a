"""Reads and writes weights in other formats.

    model = digan.interop.model_from_state(state, digan.config.ModelConfig(...))
    snapshot = digan.interop.load_snapshot("network-snapshot-025000.pkl")
    model = digan.interop.from_pretrained("user/name")  # from the Hugging Face hub

Names are imported on first use.
"""

import importlib

_HOMES = {
    "model_from_state": "digan_jax.interop.state_dicts",
    "critic_from_state": "digan_jax.interop.state_dicts",
    "generator_state": "digan_jax.interop.state_dicts",
    "critic_state": "digan_jax.interop.state_dicts",
    "load_snapshot": "digan_jax.interop.snapshot",
    "push_to_hub": "digan_jax.interop.hub",
    "from_pretrained": "digan_jax.interop.hub",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'digan_jax.interop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
