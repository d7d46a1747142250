"""docs/architecture.md names files that are there, and topics that are found where it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Where to look")[2].partition("\n## ")[0]
WORDS = {
    word: re.findall(r"`([^`]+)`", files)
    for word, files in re.findall(r"^\| ([a-z ]+) \| (`.*) \|$", SECTION, re.M)
}


def test_what_it_names_is_there():
    quoted = set(re.findall(r"`([\w./-]+/[\w./-]*)`", PAGE))
    named = {name for name in quoted if name.split("/")[0] not in (".venv", ".ci")}
    named |= {f"docs/{page}" for page in re.findall(r"\]\(([\w-]+\.md)\)", PAGE)}
    assert len(named) > 40
    assert not {name for name in named if not (ROOT / name).exists()}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_found_where_it_leads(word):
    stem = re.sub(r"(y|s)$", "", word)
    for file in WORDS[word]:
        text = (ROOT / file).read_text(encoding="utf-8").lower()
        assert re.search(rf"\b{stem}", text), file
