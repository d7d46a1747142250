"""Results as Markdown."""

import re
from collections.abc import Sequence

from detector.presentation import (
    BarChart,
    Block,
    Grid,
    LikelihoodScale,
    Presentation,
    Section,
    Text,
)

_STYLES = {
    "strong": "**{}**", "number": "**{}**", "subhead": "### {}", "item": "- {}", "aside": "> {}",
}  # fmt: skip


def of_document(document: Presentation) -> str:
    """Return a report, without curves and pictures."""
    head = [f"# {escaped(document.headline)}", f"**{escaped(document.about)}**"]
    return "\n\n".join([*head, escaped(document.kicker), *of_sections(document.sections)]) + "\n"


def of_sections(sections: Sequence[Section]) -> list[str]:
    """Return the titles and blocks of sections, one string each."""
    out: list[str] = []
    for section in sections:
        out += [f"## {escaped(section.title)}"] * bool(section.title)
        out += filter(None, map(of_block, section.blocks))
    return out


def of_block(block: Block) -> str:
    """Return a block; curves and pictures are empty."""
    match block:
        case Text(text, style):
            return _STYLES.get(style, "{}").format(escaped(text)) if text else ""
        case Grid(heads):
            rows = [list(map(escaped, row)) for row in block.printed]
            if not heads:
                return "\n".join(f"- **{name}**: {value}" for name, value in rows)
            cells = [heads, ["---"] * len(heads), *rows]
            return "\n".join(f"| {' | '.join(row)} |" for row in cells)
        case LikelihoodScale():
            return escaped("; ".join(block.bands))
        case BarChart(rows):
            return "\n".join(f"- {escaped(row.name)}: {escaped(row.value)}" for row in rows)
    return ""


def escaped(text: str) -> str:
    """Return untrusted text with Markdown and HTML syntax escaped."""
    plain = " ".join(text.split("\n")).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*|~]|\b_\B|\B_\b|\](?=\()|^[#>+-])", r"\\\1", plain)
