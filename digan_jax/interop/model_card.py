"""The model card (README.md) of an exported model: what it is, how it was trained, how to use it."""

from __future__ import annotations

import dataclasses

from digan_jax.runs.weights import Weights

_TAGS = ["digan-jax", "jax", "video-generation"]
METADATA = {  # by family; read by hubs
    "digan": {"library_name": "digan-jax", "tags": [*_TAGS, "gan"]},
    "vidm": {"library_name": "digan-jax", "tags": [*_TAGS, "diffusion"]},
    "convgru": {"library_name": "digan-jax", "tags": [*_TAGS, "video-prediction"]},
}
_FRONTS = {
    "digan": """
# DIGAN, {resolution}x{resolution}{data}

A generator of short videos as functions of (x, y, t), after
[DIGAN](https://arxiv.org/abs/2202.10571) (Yu et al., ICLR 2022), in the layout of digan-jax.
""",
    "vidm": """
# VIDM, {resolution}x{resolution}{data}

Two diffusion models of short videos, one for first frames and one for each next frame, after
[VIDM](https://arxiv.org/abs/2212.00235) (Mei and Patel, AAAI 2023), in the layout of digan-jax.
""",
    "convgru": """
# ConvGRU, {resolution}x{resolution}{data}

A recurrent predictor of frames, a baseline for `digan predict`, in the layout of digan-jax.
""",
}
_SAMPLES = """
![Samples: a row for each id, time from left to right](samples.png)

Ids {ids}, not curated. `samples.mp4` shows them in motion.
"""
_USE = """
## Use

```python
import digan_jax as digan
import numpy as np

model = digan.load("this/folder")
clip = model.sample([0, 1], np.linspace(0, 1, 16))  # float32 [2 16 {resolution} {resolution} 3], about [-1, 1]
digan.write_video("a.mp4", clip[0], fps=8)
```

or `digan render --run this/folder --ids 0-15 --grid 4x4 --out clips.mp4`. The weights are the moving averages (EMA) of
training, as [safetensors](https://github.com/huggingface/safetensors); no file here is a pickle.{training}
"""
_USE_GIVEN = """
## Use

This model was trained on the task "{task}" and draws what it is given: maps of {planes} planes in [-1, 1].

```python
import digan_jax as digan
import numpy as np

model = digan.load("this/folder")
maps = np.zeros((1, 2, 16, 16, {planes}), np.float32)  # [clips, times, rows, columns, planes]: yours
condition = digan.Condition(maps=maps, at=np.float32([0, 1]))
clip = model.sample([0], np.linspace(0, 1, 16), condition=condition)  # float32 [1 16 {resolution} {resolution} 3]
digan.write_video("a.mp4", clip[0], fps=8)
```

The weights are the moving averages (EMA) of training, as [safetensors](https://github.com/huggingface/safetensors); no
file here is a pickle.{training}
"""
_STABLEHLO = """
## Without digan-jax

The `.stablehlo` files are programs for `jax.export`; batch size, frame count and frame size are free. config.json lists
their inputs and outputs.

```python
import numpy as np
from jax import export
from safetensors.numpy import load_file

weights = load_file("model.safetensors")
mapping, draw = (export.deserialize(open(f"{{name}}.stablehlo", "rb").read()) for name in ("mapping", "smooth"))
rng, f = np.random.default_rng(0), np.float32
content = mapping.call(weights, rng.normal(size=(2, {z})).astype(f), {label}f(1.0))
motion, times = rng.normal(size=(2, {m})).astype(f), np.tile(np.linspace(0, 1, 16, dtype=f), (2, 1))
side = ((np.arange(256) + 0.5) / 128 - 1).astype(f)  # centres of 256 pixels; the trained frame spans -1..1
clips = draw.call(weights, content, motion, times, side, -side)  # [2 16 256 256 3]; y goes up, rows go down
```
"""
_ONNX = """
## Without digan-jax

The `.onnx` files contain the weights; batch size, frame count and frame size are free. config.json lists their inputs
and outputs.

```python
import numpy as np
from onnxruntime import InferenceSession

mapping, draw = (InferenceSession(f"{{name}}.onnx") for name in ("mapping", "smooth"))
rng, f = np.random.default_rng(0), np.float32
noise = {{"z": rng.normal(size=(2, {z})).astype(f), "truncation": np.ones((), f)}}
{label}(content,) = mapping.run(None, noise)
side = ((np.arange(256) + 0.5) / 128 - 1).astype(f)  # centres of 256 pixels; the trained frame spans -1..1
arrays = {{"content": content, "motion": rng.normal(size=(2, {m})).astype(f), "x": side, "y": -side}}  # y goes up
(clips,) = draw.run(None, arrays | {{"times": np.tile(np.linspace(0, 1, 16, dtype=f), (2, 1))}})  # [2 16 256 256 3]
```
"""
_PROGRAMS = {"stablehlo": (_STABLEHLO, "{}, "), "onnx": (_ONNX, 'noise["label"] = {}\n')}  # text, code for the label


def text(weights: Weights, samples: int, programs: str = "") -> str:
    """The model card as Markdown with a metadata block for hubs; contains only known facts.

    Args:
      samples: number of rows of samples.png; 0: no samples.
      programs: kind of the exported programs, "stablehlo" or "onnx"; "": none.
    """
    config, data = weights.config, weights.facts.get("data", {})
    kind = f", {config.n_classes} classes" if config.n_classes else ""
    of_data = f", {data['name']}" if data.get("name") else ""
    parts = [_FRONTS[weights.family].format(resolution=config.resolution, data=of_data + kind)]
    if samples:
        parts.append(_SAMPLES.format(ids="0" if samples == 1 else f"0 to {samples - 1}"))
    parts.append("\n## How it was made\n\n" + "".join(f"- {line}\n" for line in _history(weights)))
    also = "" if weights.generator is None else (
        "\n`training.safetensors` holds {networks} as trained: `digan train --init-from this/folder`."
    )  # fmt: skip
    also = also.format(networks="generator and critics" if weights.critic is not None else "the networks")
    planes = getattr(config, "condition_planes", 0)
    task = weights.facts.get("task", {}).get("name", "unknown")
    use = _USE_GIVEN if planes else _USE
    parts.append(use.format(resolution=config.resolution, training=also, planes=planes, task=task))
    if programs:
        form, label = _PROGRAMS[programs]
        of_two = f"np.eye({config.n_classes}, dtype=f)[[0, 1]]"
        label = label.format(of_two) if config.n_classes else ""
        parts.append(form.format(z=config.z_dim, m=config.motion_dim, label=label))
    return _with_metadata("".join(parts), METADATA[weights.family])


def _with_metadata(body: str, metadata: dict) -> str:
    """The card with its metadata by huggingface_hub, or the same text without the library."""
    try:
        from huggingface_hub import ModelCard, ModelCardData
    except ImportError:
        tags = "".join(f"\n- {tag}" for tag in metadata["tags"])
        return f"---\nlibrary_name: {metadata['library_name']}\ntags:{tags}\n---\n{body}"
    return str(ModelCard(f"---\n{ModelCardData(**metadata).to_yaml()}\n---\n{body}"))


def _history(weights: Weights) -> list[str]:
    c, facts = weights.config, weights.facts
    data, training = facts.get("data", {}), facts.get("training", {})
    lines = []
    if data:
        step = f", every {data['stride']}th frame" if data.get("stride", 1) > 1 else ""
        clips = f"; clips of {data['frames']} frames{step}" if "frames" in data else ""
        split = f", split {data['split']}" if "split" in data else ""
        lines.append(f"Data: {data['name']}{split}{clips}.")
    else:
        lines.append("Data: not recorded.")
    if data.get("credit"):
        lines.append(f"Credit: {data['credit']}")
    if "kimg" in training:
        more = f", batch {training['batch_size']}" if "batch_size" in training else ""
        more += f", R1 {training['r1_gamma']:g}" if more and weights.family == "digan" else ""
        of = "frame pairs" if weights.family == "digan" else "clips"
        lines.append(f"Training: {training['kimg']:g} kimg (thousands of {of}){more}.")
    if training.get("source"):
        lines.append(f"Converted from {training['source']}, a checkpoint of the authors' release.")
    if weights.family == "digan":
        lines.append(
            f"Architecture: channel_base {c.channel_base}, channel_max {c.channel_max}, z {c.z_dim}, w {c.w_dim}, "
            f"motion {c.motion_dim}, mapping layers {c.mapping_layers}, rank {c.rank}, classes {c.n_classes}."
        )
    else:
        fields = dataclasses.asdict(c).items()
        lines.append(f"Architecture: {', '.join(f'{name} {value}' for name, value in fields)}.")
    for score in facts.get("scores", []):
        spread = f" ± {score['deviation']:.4g}" if "deviation" in score else ""
        protocol = f" (protocol {score['protocol']})" if score.get("protocol") else ""
        lines.append(f"{score['metric']}{protocol}: {score['mean']:.4g}{spread}.")
    if not facts.get("scores"):
        lines.append("FVD: not measured.")
    return lines
