"""Sections of the presentation as lines of a terminal."""

from collections.abc import Iterator, Sequence

from cli import terminal
from detector.presentation import BarChart, Block, Grid, LikelihoodScale, Section, Text


def lines(sections: Sequence[Section], width: int) -> Iterator[str]:
    """Yield the lines of sections without pictures and curves."""
    for section in sections:
        if section.title:
            yield from (section.title, "=" * min(len(section.title), width), "")
        for block in section.blocks:
            if lines := _block(block, width):
                yield from (*lines, "")


def _block(block: Block, width: int) -> list[str]:
    match block:
        case Text(text, style):
            lines = (
                [terminal.wrapped(f"- {text}" if style == "item" else text, width)] if text else []
            )
            return [*lines, "-" * min(len(text), width)] if style == "subhead" else lines
        case Grid(heads):
            return terminal.table(heads, block.printed, width)
        case LikelihoodScale(bands=bands):
            return [terminal.wrapped("; ".join(bands), width)]
        case BarChart(rows):
            return terminal.table((), [(row.name, row.value) for row in rows], width)
    return []
