"""`digan export`."""

from __future__ import annotations

from digan_jax.errors import InputError
from digan_jax.verbs import arguments

FORMATS = ("safetensors", "npz", "stablehlo", "onnx")


def add(verbs) -> None:
    p = verbs.add_parser(
        "export",
        help="write a model to share",
        description="Write the EMA generator of a model to share, without pickles.",
        epilog="formats\n"
        "  safetensors  a folder with model.safetensors, config.json, model card and samples, for digan.load and hubs\n"
        "  stablehlo    the same folder, plus programs that need only jax, not this package\n"
        "  onnx         the same folder, plus ONNX files (extra [onnx])\n"
        "  npz          one file with state dicts under the names of the authors' release",
    )
    p.add_argument("run", help="a run, an export, or the authors' network-snapshot.pkl")
    p.add_argument("--out", required=True, metavar="PATH", help="folder to write; for npz, the file")
    p.add_argument("--format", choices=FORMATS, default="safetensors", help="default safetensors")
    arguments.add_step(p)
    p.add_argument("--training", action="store_true", help="also write generator and critics, for --init-from")
    p.add_argument("--samples", type=int, default=4, metavar="N", help="number of sample clips; 0: none (default 4)")
    p.add_argument("--bits", type=int, choices=[32, 16, 8, 7, 6], default=32,
                   help="of a stored number: 16 is half the size, 8 a quarter (default 32)")  # fmt: skip
    p.add_argument("--credit", metavar="TEXT", help="of the data, for the model card: source and licence")
    p.add_argument("--push", metavar="USER/NAME", help="upload the folder to the Hugging Face hub (extra [hub])")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    if a.samples < 0:
        raise InputError(f"--samples {a.samples}: give a number of clips, or 0 for none.")
    if a.format == "npz" and a.push:
        raise InputError("--push: uploads a folder; choose another --format.")
    if a.format != "safetensors" and a.bits != 32:
        raise InputError(f"--bits {a.bits}: is for the format safetensors.")
    if a.push:
        from digan_jax.interop import hub

        hub.require_library()
    programs = _programs(a.format)
    from digan_jax.host import files
    from digan_jax.interop import model_folder, npz, opening

    if a.format == "npz":
        if not a.out.endswith(".npz"):
            raise InputError(f"--out {a.out}: format npz writes a file; give a name that ends in .npz.")
        files.check_file(a.out)
    else:
        files.check_free(a.out, model_folder.is_one)
    found = opening.read(a.run, a.training, a.step)
    if a.format != "safetensors" and found.family != "digan":
        raise InputError(f"--format {a.format}: there is none of the family {found.family!r}; use safetensors.")
    if a.training and found.generator is None:
        raise InputError(f"--training: {a.run} holds only the EMA generator; leave the flag out.")
    if a.credit:
        found.facts.setdefault("data", {})["credit"] = a.credit
    if a.format == "npz":
        npz.write(a.out, found)
    else:
        looks = _looks(a.run, found)

        def extra(folder) -> dict:
            if looks is not None:
                looks.save(folder)
            return programs.write(folder, found) if programs else {}

        model_folder.write(a.out, found, a.samples, extra, a.bits)
    print(f"{a.out}: written. To see it: digan render --run {a.out} --out clips.mp4")
    if a.push:
        print(hub.push_to_hub(a.out, a.push))


def _looks(run: str, found):
    """The mixtures of styles that `digan condition styles` fitted to a model that translates; None without."""
    from digan_jax.interop import opening
    from digan_jax.rendering import styles

    width = getattr(found.config, "condition_style", 0)
    return styles.Mixtures.read(opening.located(run), width) if width else None


def _programs(format: str):
    """The module that exports programs in this format, if any. Raises `InputError` if its library is missing."""
    if format == "stablehlo":
        from digan_jax.interop import stablehlo

        return stablehlo
    if format == "onnx":
        from digan_jax.interop import onnx_files

        onnx_files.require_library()
        return onnx_files
    return None
