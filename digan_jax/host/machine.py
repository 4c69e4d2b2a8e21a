"""What this machine has: memory, disk, encoders, installed libraries. Reads only."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path

import av

from digan_jax.host.video_formats import ENCODINGS

PACKAGE = "digan-jax"


def system() -> dict[str, object]:
    """Operating system, processor, its cores that this process may use, and Python's version."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.platform(), "processor": platform.machine(), "cores": cores} | {
        "python": platform.python_version()
    }


def memory() -> dict[str, int]:
    """{"total", "available"} bytes of main memory; without what the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        names = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} & set(getattr(os, "sysconf_names", ()))
        return {"total": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")} if len(names) == 2 else {}
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", text, re.MULTILINE))
    names = {"total": "MemTotal", "available": "MemAvailable"}
    return {name: 1024 * int(found[theirs]) for name, theirs in names.items() if theirs in found}


def free_disk(place: Path) -> int:
    """Free bytes on the disk of a folder, or of the nearest one above it that exists."""
    place = place.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def encoders() -> dict[str, bool]:
    """{"libx264 yuv420p": whether PyAV has it} for all formats that are written."""
    found = {}
    for encoding in ENCODINGS.values():
        try:
            layouts = [layout.name for layout in av.codec.Codec(encoding.codec, "w").video_formats or ()]
        except ValueError:  # PyAV's UnknownCodecError
            layouts = []
        found[f"{encoding.codec} {encoding.pixels}"] = encoding.pixels in layouts
    return found


def libraries() -> tuple[dict[str, str | None], dict[str, str]]:
    """Versions of what this package requires, None for what is missing; and of its optional libraries that are there."""
    required, optional = {PACKAGE: _version(PACKAGE), "jaxlib": _version("jaxlib")}, {}
    for line in metadata.requires(PACKAGE) or ():
        name = re.match(r"[\w.-]+", line)[0]
        version = _version(name)
        if "extra ==" not in line:
            required[name] = version
        elif version is not None and name not in required:
            optional[name] = version
    return required, optional


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
