"""Camera view: cover, status line and quality."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from dashboard.components.markup import Text, icon, join, show, tag
from dashboard.components.typography import heading, small_print


def cover(symbol: str, head: Text, text: Text, *, over_frame: bool = False) -> None:
    """Draw a cover in place of the picture; with `over_frame` over the last one."""
    turning = "turning" if symbol == "sync" else ""
    parts = [icon(symbol, turning), tag("h2", head), tag("p", text)]
    show(tag("div", *parts, cls=f"um-cover {'lost' if over_frame else ''}", role="status"))


def picture(address: str, alt: Text) -> None:
    """Draw a motion JPEG picture."""
    show(tag("img", cls="um-moving", src=address, alt=str(alt)))


def foot(
    state: Text, parts: Sequence[Text] = (), *, on: bool = False, lost: bool = False
) -> Markup:
    """Return the status line; `on`: the camera runs, `lost`: its picture stopped."""
    word = tag("span", state, cls=f"{'on' if on else ''} {'lost' if lost else ''}")
    rest = tag("div", join(tag("span", part) for part in parts)) if parts else ""
    return tag("div", word, rest, cls="um-foot")


def quality(title: Text, chips: Iterable[tuple[Text, Text]], otherwise: Text) -> None:
    """Draw how good the picture is: chips with what to do; without a picture a line instead."""
    drawn = join(tag("div", chip, tag("span", note, cls="um-caption")) for chip, note in chips)
    row = small_print(otherwise) if otherwise else tag("div", drawn, cls="um-quality")
    show(tag("div", heading(title), row, cls="um-imagerow"))
