"""digan-jax: videos as functions of (x, y, t). DIGAN (Yu et al., ICLR 2022) in JAX.

    import digan_jax as digan
    model = digan.load("runs/sky")
    clip = model.sample(ids=range(4), times=np.linspace(0, 1, 16))
    digan.write_video("a.mp4", clip[0], fps=8)
    digan.render(digan.RenderRequest("runs/sky", "b.mp4", ids=range(4), size=(512, 512)))

Names are imported on first use (PEP 562), so importing the package is fast and starts no accelerator.
"""

import importlib

_HOMES = {
    "load": "digan_jax.interop.opening",
    "Model": "digan_jax.rendering.model",
    "Latents": "digan_jax.shapes",
    "Condition": "digan_jax.shapes",
    "grid": "digan_jax.rendering.tiles",
    "mix": "digan_jax.rendering.walks",
    "camera": "digan_jax.rendering.timeline",
    "write_video": "digan_jax.host.video_files",
    "render": "digan_jax.jobs.render:run",
    "RenderRequest": "digan_jax.jobs.render_request",
    "Directions": "digan_jax.rendering.directions",
    "directions": "digan_jax.jobs.directions:run",
    "DirectionsRequest": "digan_jax.jobs.directions",
    "upscale": "digan_jax.jobs.upscale:run",
    "UpscaleRequest": "digan_jax.jobs.upscale",
    "interpolate": "digan_jax.jobs.interpolate:run",
    "InterpolateRequest": "digan_jax.jobs.interpolate",
    "complete": "digan_jax.jobs.complete:run",
    "CompleteRequest": "digan_jax.jobs.complete",
    "denoise": "digan_jax.jobs.denoise:run",
    "DenoiseRequest": "digan_jax.jobs.denoise",
    "predict": "digan_jax.jobs.predict:run",
    "PredictRequest": "digan_jax.jobs.predict",
    "stylize": "digan_jax.jobs.stylize:run",
    "StylizeRequest": "digan_jax.jobs.stylize",
    "translate": "digan_jax.jobs.translate:run",
    "TranslateRequest": "digan_jax.jobs.translate",
    "invert": "digan_jax.jobs.invert:run",
    "InvertRequest": "digan_jax.jobs.invert",
    "animate": "digan_jax.jobs.animate:run",
    "AnimateRequest": "digan_jax.jobs.animate",
    "compress": "digan_jax.jobs.compress:compress",
    "CompressRequest": "digan_jax.jobs.compress",
    "decompress": "digan_jax.jobs.compress:decompress",
    "DecompressRequest": "digan_jax.jobs.compress",
    "InputError": "digan_jax.errors",
}
_ROOMS = ("config", "evaluation", "interop")

__all__ = [*_HOMES, *_ROOMS]


def __getattr__(name: str):
    if name in _HOMES:
        module, _, own_name = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), own_name or name)
    if name in _ROOMS:
        return importlib.import_module(f"digan_jax.{name}")
    raise AttributeError(f"module 'digan_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
