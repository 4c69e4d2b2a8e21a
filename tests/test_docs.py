"""README, docs/ and the shipped files point at what is there."""

import re
import shlex
from pathlib import Path

import pytest

from digan_jax import cli
from digan_jax.config import files
from digan_jax.errors import InputError
from digan_jax.verbs.arguments import glue_values

CHECKOUT = Path(__file__).parent.parent
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in link]
    assert links and [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index():
    index = (CHECKOUT / "docs" / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if page.name != "README.md" and f"({page.name})" not in index] == []


def test_commands_name_shipped_configurations():
    texts = [*PAGES, *(CHECKOUT / "configs").glob("*.py"), *(CHECKOUT / "scripts").glob("*.sh")]
    named = {name for text in texts for name in re.findall(r"--config (\w+)(?![\w.])", text.read_text())}
    assert len(named) > 5 and named - files.shipped().keys() == {"NAME"}


def commands_in(text):
    """[(command, whether it stands in a block of its own)]; a block's command is whole, a word in a line may not be."""
    text = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^(?: {4})?(digan [a-z].+)$", text, re.M)
    return [(line, True) for line in blocks] + [(line, False) for line in re.findall(r"`(digan [a-z][^`]+)`", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_have_the_flags_that_they_name(page):
    parser = cli.make_parser()
    for line, whole in commands_in(page.read_text()):
        words = [word for word in shlex.split(line, comments=True) if word != "..."]
        try:
            rest = parser.parse_known_args(glue_values(words[1:]))[1]
        except InputError as error:
            assert not whole and re.search("required|expected one argument", str(error)), f"{line}: {error}"
            continue
        except SystemExit:  # --help
            continue
        assert [word for word in rest if not word.startswith("--config.")] == [], line


def test_commands_are_found():
    """In blocks, tables and over several lines."""
    readme = [line for line, _ in commands_in((CHECKOUT / "README.md").read_text())]
    assert len(readme) > 20 and any(line.startswith("digan study make") for line in readme)
    text = "    digan render --run r \\\n        --out a.mp4\n| `digan doctor --quick` |"
    assert commands_in(text) == [("digan render --run r  --out a.mp4", True), ("digan doctor --quick", False)]
