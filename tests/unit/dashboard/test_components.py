"""Whatever a component is given stays text: no name of a file can be part of the page."""

import inspect
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup

from dashboard.charts import LaneSize
from dashboard.components import (
    camera,
    cards,
    chips,
    figures,
    lanes,
    markup,
    page_header,
    progress,
    signin,
    status_cards,
    tables,
    typography,
    verdict,
)
from dashboard.components.status_cards import Card
from dashboard.components.tables import TableColumn
from dashboard.result.inspector import magnified
from detector.errors import MediaError
from detector.presentation import BarRow, Cell
from detector.presentation.answers import AnswerRow
from detector.schema.analysis import Label, Thresholds

BAD = "\"><img src=x onerror=alert(1)>'<script>alert(1)</script> &lt;b&gt; {0}"
"""What a file may be called."""
LIMITS = Thresholds(low=0.3, high=0.7)
SIZE = LaneSize(120, 10, 100)
QUESTION = AnswerRow(BAD, BAD, Label.NOT_APPLICABLE, BAD, counts=True, leads=True)
STEP = progress.ProgressStep(BAD, "now", BAD, BAD, [(BAD, 0.5, BAD)])

GIVEN: dict[Callable[..., object], tuple[tuple[object, ...], dict[str, object]]] = {
    markup.show: ((BAD, BAD), {}),
    markup.tag: (("p", BAD), {"cls": BAD, "title": BAD}),
    markup.rich: (("The file <b>{file}</b>",), {"file": BAD}),
    markup.join: (([BAD, Markup("<i></i>")], BAD), {}),
    typography.title: ((BAD,), {"space": True}),
    typography.small_paragraphs: ((BAD, BAD), {}),
    typography.caption: ((BAD,), {"after": True, "announced": True}),
    typography.know: ((BAD, BAD), {}),
    typography.with_icon: (("lock", BAD), {}),
    typography.warning: ((BAD,), {"announced": True}),
    cards.preview: ((BAD, BAD), {}),
    chips.chip: ((BAD,), {"symbol": "help"}),
    chips.reading: ((Cell(BAD),), {}),
    chips.inked: ((BAD, None), {}),
    typography.strong: ((BAD, "na"), {}),
    chips.bullets: (([BAD, BAD],), {}),
    tables.facts: (([(BAD, BAD)],), {}),
    tables.table: (([TableColumn(BAD), TableColumn(BAD, number=True)], [(BAD, BAD)]), {}),
    tables.plain: (([(BAD, BAD)],), {"heads": True}),
    tables.code: ((BAD, BAD), {}),
    cards.head: ((BAD, BAD), {}),
    cards.card_head: ((BAD, BAD), {}),
    cards.part_head: ((BAD, BAD), {}),
    cards.step: (("help", BAD, BAD), {}),
    cards.explained: ((BAD, [(BAD, BAD)]), {}),
    cards.people: (([(BAD, BAD, BAD), ("", BAD, BAD)], BAD, BAD), {}),
    cards.built: ((BAD, BAD, BAD, [BAD]), {}),
    cards.model_head: ((BAD, BAD, BAD, BAD), {"warning": BAD, "note": BAD}),
    cards.model_accuracy: ((BAD, Markup("<i></i>")), {}),
    cards.model_problem: ((BAD,), {"calm": True}),
    cards.legend: (([cards.Mark("line", BAD)],), {}),
    progress.bar: ((0.5, BAD), {}),
    progress.run: ((BAD, BAD, 0.5, [STEP], BAD), {"label": BAD, "most": 2}),
    progress.waiting: ((BAD, BAD, BAD), {"most": 2}),
    lanes.owner: ((BAD, BAD, BAD, BAD), {}),
    lanes.model: ((BAD, BAD), {}),
    verdict.head: ((BAD, None, BAD, BAD, BAD), {"announced": True}),
    verdict.questions: (([QUESTION],), {}),
    verdict.sides: ((BAD, BAD, BAD), {"bare": True}),
    verdict.pull: ((BarRow(BAD, BAD, end=-5), 10.0), {}),
    figures.caption: ((BAD, BAD), {}),
    figures.ends: ((BAD, BAD), {}),
    figures.bars: (([0.2, 1.0], BAD), {}),
    figures.cells: (([(BAD, [(BAD, BAD, BAD)])], [BAD], BAD), {}),
    figures.marks: ((BAD, BAD, [0.5], BAD, [BAD]), {}),
    figures.interval: ((0.5, 0.4, 0.6, BAD, BAD), {}),
    cards.tile: ((BAD, BAD), {}),
    camera.cover: (("help", BAD, BAD), {}),
    camera.foot: ((BAD, [BAD]), {}),
    camera.quality: ((BAD, [(BAD, BAD)], ""), {}),
    signin.head: ((BAD, BAD, (BAD, BAD, "status")), {}),
    signin.providers: ((BAD, [(BAD, BAD)]), {}),
    status_cards.state: ((BAD, BAD, BAD), {}),
}
"""What components are given that take more than texts: everything a text can be is `BAD`."""
NO_TEXT = {
    figures.chart,
    figures.readable,
    lanes.row,
    lanes.zone_words,
    page_header.facts,
    page_header.row,
    signin.begin,
    tables.scored,
    typography.flash,
    verdict.scale,
}
"""Those that draw into a place, draw no text, or are tried below."""
MODULES = (camera, cards, chips, figures, lanes, markup, progress, signin, tables, typography,
           verdict, page_header)  # fmt: skip
COMPONENTS = [
    component
    for module in MODULES
    for name, component in inspect.getmembers(module, inspect.isfunction)
    if component.__module__ == module.__name__ and not name.startswith("_")
    if component not in NO_TEXT
] + [status_cards.state, status_cards.waiting]


class Read(HTMLParser):
    """The elements of a page, with their attributes and all of their text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def drawn(monkeypatch):
    """What is given to the page."""
    found: list[str] = []
    monkeypatch.setattr("streamlit.html", lambda body, **given: found.append(body))
    return found


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda f: f"{f.__module__[21:]}.{f.__name__}")
def test_what_is_given_stays_text(component, drawn):
    parameters = inspect.signature(component).parameters.values()
    needed = [BAD for one in parameters if one.default is one.empty and one.kind < one.VAR_KEYWORD]
    values, named = GIVEN.get(component, (needed, {}))
    made = component(*values, **named)
    html = "".join(drawn) if made is None else str(markup.join([made]))
    read = Read(html)
    assert "script" not in read.tags and "onerror" not in read.attributes, html
    assert ("img" in read.tags) is (component in (camera.picture, cards.people, cards.tile)), html
    values_of = " ".join(filter(None, read.attributes.values()))
    assert BAD in read.text or BAD in values_of, html
    assert "&#" not in read.text, "escaped twice"


def test_a_card_of_a_file_shows_its_name_as_text(drawn):
    status_cards.show(Card("x", BAD, "help", BAD, BAD, points=(BAD,), small=BAD))
    read = Read("".join(drawn))
    assert read.text.count(BAD) == 5 and not {"img", "script"} & read.tags


def test_what_begins_a_sign_in_cannot_end_its_script(drawn):
    signin.begin(BAD, "</script><b>", "", start="/s", refused="/r")
    (html,) = drawn
    assert html.count("</script>") == 1 and "<b>" not in html
    assert Read(html).text.startswith(BAD)


@pytest.mark.parametrize("error", [OSError(), MediaError("It can't be decoded.")])
def test_a_frame_that_is_gone_leaves_a_placeholder(error, drawn):
    with figures.readable():
        raise error
    (html,) = drawn
    assert "um-missing" in html and Read(html).text == "The frame can’t be read any more."


def test_a_defect_is_no_frame_that_is_gone(drawn):
    with pytest.raises(ValueError), figures.readable():
        raise ValueError
    assert not drawn


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_what_is_magnified_are_the_pixels_around_a_place(x, y):
    rgb = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    part = magnified(rgb, 4, x, y)
    scale = part.shape[1] // 80
    assert part.shape == (45 * scale, 80 * scale, 3) and scale > 1
    left, top = round(x * 320 - 40), round(y * 180 - 22.5)
    left, top = min(max(0, left), 240), min(max(0, top), 135)
    assert (part[::scale, ::scale] == rgb[top : top + 45, left : left + 80]).all()
