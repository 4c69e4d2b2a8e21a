"""What mkdocs adds to docs/ when it builds the site: files from beside docs/, notebooks as pages, and the reference."""

import argparse
import base64
import os
import re
import sys
from pathlib import Path, PurePosixPath

import nbformat
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = "repository"  # where files from beside docs/ lie on the site
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")


def on_config(config):
    """Pages that the menu does not name come under "How to"; notebooks get a section."""
    sys.path.insert(0, str(ROOT))  # here, since mkdocs restores the path after it has loaded this file
    named = re.findall(r"[\w/]+\.md", str(config.nav))
    [how_to] = [section["How to"] for section in config.nav if "How to" in section]
    how_to += sorted(page.name for page in (ROOT / "docs").glob("*.md") if page.name not in named)
    config.nav.append({"Notebooks": [f"{OUTSIDE}/notebooks/{path.stem}.md" for path in notebooks()]})
    return config


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def on_files(files, config):
    """Adds what pages link to beside docs/, and a page for each notebook."""
    for path in notebooks():
        add_notebook(path, files, config)
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:  # grows
        for _, target, _ in LINK.findall(page.read_text("utf-8")):
            path = (page.parent / target).resolve()
            if "://" in target or not path.is_file() or path.is_relative_to(ROOT / "docs"):
                continue
            uri = f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(path)))
                pages += [path] if path.suffix == ".md" else []
    return files


def add_notebook(path: Path, files, config) -> None:
    """A page of a notebook's cells, with its pictures as files; videos are only in the notebook itself."""
    folder, parts, pictures = f"{OUTSIDE}/notebooks", [], 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = output.get("text") or data.get("text/plain", "")
            if "image/png" in data:
                name, pictures = f"{path.stem}_{pictures}.png", pictures + 1
                content = base64.b64decode(data["image/png"])
                files.append(File.generated(config, f"{folder}/{name}", content=content))
                parts.append(f"![output]({name})")
            elif text and "text/html" not in data:
                parts.append(f"```text\n{text.rstrip()}\n```")
    content = "\n\n".join(parts) + f"\n\n[The notebook]({path.name}), with its videos.\n"
    files.append(File.generated(config, f"{folder}/{path.stem}.md", content=content))
    files.append(File.generated(config, f"{folder}/{path.name}", abs_src_path=str(path)))


def on_page_markdown(markdown, page, config, files):
    """Links out of docs/ lead to the copies on the site; the markers of the reference become the reference."""
    at = PurePosixPath(page.file.src_uri)
    source = ROOT / at.relative_to(OUTSIDE) if at.is_relative_to(OUTSIDE) else ROOT / "docs" / at

    def moved(found):
        path = Path(os.path.normpath(source.parent / found[2]))
        if "://" in found[2] or not path.is_file() or not path.is_relative_to(ROOT):
            return found[0]
        inside = path.is_relative_to(ROOT / "docs")
        uri = path.relative_to(ROOT / "docs") if inside else OUTSIDE / path.relative_to(ROOT)
        return found[1] + os.path.relpath(uri, at.parent) + found[3]

    markdown = LINK.sub(moved, markdown)
    markdown = markdown.replace("<!-- commands -->", commands())
    return markdown.replace("<!-- python -->", python())


def commands() -> str:
    """The help of `digan` and of each command, from their parsers."""
    from digan_jax import cli

    os.environ["COLUMNS"] = "100"
    return "\n".join(help_of(cli.make_parser()))


def help_of(parser: argparse.ArgumentParser) -> list[str]:
    parts = [f"## {parser.prog}\n", f"```text\n{parser.format_help().rstrip()}\n```\n"]
    for action in parser._actions:  # argparse has no public way to its subparsers
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                parts += help_of(inner)
    return parts


def python() -> str:
    """A directive of mkdocstrings for each public name, where it is defined."""
    import digan_jax

    places = [home.replace(":", ".") if ":" in home else f"{home}.{name}" for name, home in digan_jax._HOMES.items()]
    others = ["digan_jax.evaluation.video_distances", "digan_jax.interop.hub", "digan_jax.models.digan.inside"]
    return "\n".join(f"::: {place}\n" for place in places + others)
