"""A result as Markdown: text that can be read, sent, searched and put into any page."""

import re
from collections.abc import Sequence

from detector.presentation import Bars, Block, Document, Facts, Number, Section, Table, Text

_STYLES = {
    "strong": "**{}**", "subhead": "### {}", "item": "- {}", "aside": "> {}",
}  # fmt: skip


def of_document(document: Document) -> str:
    """Return a report, without its charts of curves and its pictures."""
    head = [f"# {escaped(document.headline)}", f"**{escaped(document.about)}**"]
    return "\n\n".join([*head, escaped(document.kicker), *of_sections(document.sections)]) + "\n"


def of_sections(sections: Sequence[Section]) -> list[str]:
    """Return the titles and blocks of sections, each without a line break around it."""
    out: list[str] = []
    for section in sections:
        out += [f"## {escaped(section.title)}"] * bool(section.title)
        out += filter(None, map(_block, section.blocks))
    return out


def _block(block: Block) -> str:
    match block:
        case Text(text, style):
            return _STYLES.get(style, "{}").format(escaped(text)) if text else ""
        case Facts(rows):
            named = (tuple(map(escaped, row.as_pair)) for row in rows)
            return "\n".join(f"- **{name}**: {value}" for name, value in named)
        case Table(heads, rows):
            return table(heads, [tuple(map(escaped, row)) for row in rows])
        case Number(value, what):
            return f"**{escaped(value)}** {escaped(what)}"
        case Bars(rows):
            return "\n".join(f"- {escaped(row.name)}: {escaped(row.value)}" for row in rows)
    return ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of Markdown under heads."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: str) -> str:
    """Return a text that says nothing but itself: what it may hold is a stranger's."""
    plain = " ".join(text.split("\n")).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|#>~])", r"\\\1", plain)
