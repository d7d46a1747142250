"""Tables of figures as Markdown."""

from collections.abc import Iterable, Sequence

from detector.evaluation.metrics import Interval


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, a row a line."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def tally(share: Interval) -> str:
    """Return a share as in 3 of 20 [5%, 36%]."""
    return f"{share.count} of {share.of} [{share.low:.0%}, {share.high:.0%}]"
