"""README, docs/ and the shipped files point at what is there."""

import re
from pathlib import Path

import pytest

from digan_jax.config import files

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
