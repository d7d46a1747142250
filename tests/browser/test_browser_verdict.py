"""What the pages say of real clips."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from dashboard import labels
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Settings
from tests.support.browser import PATIENT, PHONE, eventually, open_details, until, wait_drawn
from tests.support.kept import put
from tests.support.visits import visitors

pytestmark = pytest.mark.shared

FOLDER = "data/dev"
CLIPS = {
    "swap": "fake/hyunkeup+DeepFake-Video-Detection/Deepfakes_183_253.mp4",
    "untouched": "real/hyunkeup+DeepFake-Video-Detection/original_183.mp4",
    "speech": "real/SadTalker/SadTalker__video_WDA_KatieHill_000.mp4",
}


@dataclass(frozen=True)
class Served:
    """The clips' results on the running dashboard."""

    ids: dict[str, str]
    results: dict[str, Analysis]

    def at(self, clip, page=""):
        return f"/{page}?a={self.ids[clip]}"


@pytest.fixture(scope="module")
def served(server, shared):
    analyzer = Analyzer()
    files = {name: shared / FOLDER / path for name, path in CLIPS.items()}
    results = {name: analyzer.analyze(file, Settings(frames=8)) for name, file in files.items()}
    return Served({name: put(server.data, files[name], r) for name, r in results.items()}, results)


@pytest.fixture(scope="module", params=CLIPS)
def clip(request):
    """All tests of one clip come in a row."""
    return str(request.param)


@pytest.fixture(scope="module")
def person(browser, server):
    """One for all tests, in their order: the last of a clip changes what its page shows."""
    with visitors(browser, server.url) as visit:
        yield visit("/settings")


def open_result(person, path):
    """Open a result, unless it is what the page shows."""
    if person.page.url != person.url + path:
        person.open(path)
    return drawn(person)


def drawn(person):
    person.page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
    wait_drawn(person.page)
    return person.page


def percents(text):
    """Every whole percent of a text."""
    return [int(number) for number in re.findall(r"(\d+)\s*%", text)]


def shows(place, number):
    """A place shows one percent; a page draws its parts one after the other."""
    expect(place).to_contain_text(re.compile(rf"(?<!\d){number}\s*%"), timeout=PATIENT)
    eventually(lambda: percents(place.inner_text()), lambda shown: shown == [number])


def number_of(analysis):
    assert analysis.verdict.probability is not None
    return labels.whole_percent(analysis.verdict.probability)


def test_a_clip_has_one_number_on_every_page(person, served, clip):
    analysis = served.results[clip]
    number = number_of(analysis)
    people = [t for t in analysis.judged if t.probability is not None]

    page = person.page
    person.open(f"/history?r={served.ids[clip]}")
    kept = page.locator('[class*="st-key-verdict-"][class*="-kept"]')
    shows(kept.locator(".um-number b"), number)

    person.open(served.at(clip, "compare"))
    built = page.locator(".st-key-card-builder .um-built")
    for i in (0, 1):
        shows(built.nth(i).locator("b"), number)
    wait_drawn(page)
    expect(built.nth(1).locator(".um-chip")).to_have_text(
        built.nth(0).locator(".um-chip").inner_text(), use_inner_text=True
    )

    other = "untouched" if clip == "speech" else "speech"  # other footage
    person.open(f"{served.at(clip, 'compare')}&b={served.ids[other]}")
    shows(page.locator(".st-key-card-pair-first .um-chip"), number)
    second = page.locator(".st-key-card-pair-second .um-chip")
    shows(second, number_of(served.results[other]))

    page = open_result(person, served.at(clip))
    card = page.locator('[class*="st-key-verdict-"]').first
    shows(card.locator(".um-number b"), number)
    open_details(page)
    shows(page.locator(".um-pull.all"), number)
    expect(card.locator(".um-questions .first")).to_have_count(1)
    if len(people) == 1:  # with more, each has a number of their own beside the file's
        shows(page.locator(".strip .chip").first, number)
        assert number in percents(page.locator(".um-who .whole").first.inner_text())


def test_the_columns_end_level(person, served, clip):
    page = open_result(person, served.at(clip))
    ends = page.evaluate(
        """() => ['[class*="st-key-verdict-"]', '.st-key-result-side']
             .map(hook => document.querySelector(hook).getBoundingClientRect().bottom)"""
    )
    assert abs(ends[0] - ends[1]) <= 2


def test_the_choice_of_a_question_changes_the_chart_and_nothing_above(person, served, clip):
    """Finding 7: two truths on one screen."""
    page = open_result(person, served.at(clip))
    card = page.locator('[class*="st-key-verdict-"]').first
    assert card.get_by_text("Shown below").count() == 0
    chart = page.locator(".st-key-card-timeline")
    above = (card.inner_text(), page.locator(".strips").inner_text())
    keys = chart.locator(".um-keys").inner_text()
    other = chart.get_by_role("radio").nth(1)
    until(other.click, lambda: expect(chart.locator(".um-keys")).not_to_have_text(keys))
    wait_drawn(page)
    assert (card.inner_text(), page.locator(".strips").inner_text()) == above


BROKEN = """() => {
  const bad = [], walk = document.createTreeWalker(
    document.querySelector('.st-key-result'), NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    for (const found of node.data.matchAll(/\\d+[\\s\\u00a0]%/g)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      if (range.getClientRects().length > 1) bad.push(found[0]);
    }
  }
  return bad;
}"""
"""Numbers that stand on another line than their percent sign."""


def test_a_phone_reads_a_result_in_four_screens(visit, served):
    _width, height = PHONE
    person = visit(served.at("swap"), size=PHONE, touch=True)
    for dark in (False, True):
        if dark:
            person.darken()
        page = drawn(person)
        tops = page.evaluate(
            """() => ['.um-title', '[class*="st-key-verdict-"]', '.st-key-player',
                      '.st-key-card-timeline', '.st-key-card-inspector', '.st-key-card-next',
                      '.st-key-title-actions']
                 .map(hook => document.querySelector(hook).getBoundingClientRect())
                 .map(box => [box.top, box.bottom])"""
        )
        assert tops == sorted(tops)
        assert tops[-1][1] - tops[0][0] <= 4 * height
        assert page.evaluate(BROKEN) == []
