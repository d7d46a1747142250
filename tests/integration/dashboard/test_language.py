"""Languages: every text of the pages can be translated, and none is missed."""

import ast
import builtins
import re
import string
from datetime import timedelta
from importlib.metadata import entry_points

import pytest
from babel.messages.pofile import read_po, write_po
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from cli import COMMANDS, command, main
from cli.analyze import summary
from dashboard import charts, i18n, labels, server
from dashboard.components.timeline import evidence
from dashboard.result import material, question, verdict_card
from detector import messages
from detector import sentences as texts
from detector.audio.sound import DAMAGED
from detector.decision.next_steps import ActionCode, NextStep
from detector.errors import InputError
from detector.media.upright import HDR
from detector.models import inventory
from detector.models.registry import manifest
from detector.presentation import actions, answers, markdown, people, pulls, series
from detector.presentation import origin as origin_words
from detector.provenance.findings import findings
from detector.schema.origin import Credential, Fact, GeneratorMark, Provenance, Repeats
from detector.sentences import ENGLISH, _, say, use
from detector.signals.measure import TOO_FAR
from service import languages, limits
from service.context import Principal, PrincipalKind, RequestContext
from service.records import rules
from service.records.model import ErrorReport, fault_of, message_of
from tests.support import pages
from tests.support.result_sample import make_analysis
from tests.support.waiting import PATIENT
from tools import languages as tool


def made(folder, code="eo"):
    catalog = tool.texts(code)
    for message in catalog:
        if isinstance(message.id, tuple):
            message.string = tuple(f"⟦{message.id[1]}⟧" for _ in range(catalog.num_plurals))
        elif message.id:
            message.string = f"⟦{message.id}⟧"
    path = folder / code / "LC_MESSAGES" / "unmask.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("languages"))


def forget():
    for cached in (languages.nearest, languages.available, languages.catalog):
        cached.cache_clear()


@pytest.fixture
def esperanto(folder, monkeypatch):
    monkeypatch.setattr(languages, "FOLDER", folder)
    monkeypatch.setenv("UNMASK_LANGUAGE", "eo")
    forget()
    with use(languages.catalog("eo")):
        yield
    forget()


def test_a_text_is_said_in_the_language(esperanto):
    assert _("Settings") == "⟦Settings⟧"
    assert _("not in any file") == "not in any file"
    assert labels.count(3, "frame", "frames") == f"3{labels.NBSP}⟦frames⟧"


@pytest.mark.parametrize(
    ("asked", "code"), [("eo-XX", "eo"), ("eo", "eo"), ("de", "en"), ("../eo", "en"), ("", "en")]
)
def test_the_nearest_language(esperanto, monkeypatch, asked, code):
    monkeypatch.setenv("UNMASK_LANGUAGE", asked)
    assert code_of(i18n.of_request("")) == code


def code_of(translations):
    return translations.info().get("language", "en")


@pytest.mark.parametrize(
    ("header", "code"),
    [("fr, eo-XX;q=0.8, en;q=0.5", "eo"), ("en-US,eo;q=0.9", "en"), ("", "en"), ("*;q=x,,", "en")],
)
def test_a_plain_answer_is_in_the_language_of_its_request(esperanto, monkeypatch, header, code):
    monkeypatch.delenv("UNMASK_LANGUAGE")
    assert code_of(i18n.of_request(header)) == code


def test_a_route_answers_in_the_language_of_its_request(esperanto, monkeypatch):
    monkeypatch.delenv("UNMASK_LANGUAGE")
    browser = TestClient(Starlette(routes=server.routes()))
    answer = browser.get("/file/gone", headers={"Accept-Language": "eo"})
    assert (answer.status_code, answer.text) == (404, "⟦This file is not kept here.⟧")


def test_a_language_that_somebody_chose_wins_over_the_browser(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "FOLDER", folder)
    forget()
    with pages.quiet(tmp_path):
        at = AppTest.from_file(pages.APP, default_timeout=PATIENT)
        pages.turn_to(at, "settings").run()
        choice = at.selectbox(key="language")
        assert choice.options == ["As the browser", "English", "Esperanto"]
        choice.select("eo").run()
        assert at.title[0].value == "⟦Settings⟧"
        assert "⟦This translation was made by machine." in said(at)
        again = AppTest.from_file(pages.APP, default_timeout=PATIENT)
        pages.turn_to(again, "settings").run()
        assert again.title[0].value == "⟦Settings⟧"
        again.selectbox(key="language").select("").run()
        assert again.title[0].value == "Settings" and "made by machine" not in said(again)
        monkeypatch.setenv("UNMASK_LANGUAGE", "eo")
        assert "UNMASK_LANGUAGE" in said(again.run())
        assert not [one for one in again.selectbox if one.key == "language"]
    forget()


def test_a_file_that_is_brought_up_to_date_keeps_its_translations(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    total, ready = tool.update("de")
    assert total > 100 and ready == 0
    file = tool.file_of("de")
    text = file.read_text("utf-8")
    file.write_text(text.replace('msgid "Settings"\nmsgstr ""', 'msgid "Settings"\nmsgstr "X"'))
    assert tool.update("de") == (total, 1)


NOT_SAID = {"cls", "key", "icon", "type", "width", "description", "file_name"}
"""Arguments that no person reads."""
PROSE = re.compile(r"^[A-Z][a-z’]+$|[A-Za-z’,.]{2,} [a-z0-9’]+|[a-z’]+[.!?]$")
NO_PROSE = re.compile(
    r"^\W*(SELECT|INSERT|UPDATE|DELETE|PRAGMA|CREATE|AND|WHERE|GROUP|ORDER)\b|:\w+\b.*=|var\(--"
    r"|^top center$|^\.?[a-z-]+\.$"
)
"""SQL, style sheets, places in a figure, the beginnings of keys and file endings."""
NOT_FOR_PEOPLE = {
    "auth/__init__.py", "config.py", "cookies.py", "auth/session_store.py", "feedback.py",
    "hosting.py", "library/__main__.py", "metrics.py", "records/api_keys.py",
    "records/seals.py", "records/supabase/purge.py",
}  # fmt: skip
"""Files that speak to whoever starts the server, in the terminal, to a database or a browser."""
FOR_PROGRAMS = "api/"
"""Its description is English, as the contract of any API; what it says of a file is marked where it
comes from."""
NAMES = {"Unmask", "Opus", "Vorbis", "Cloudflare", "Twilio", "Hugging Face"}
NAMES |= {"unmask export-labels", "in force", "Metadata", "Contents"}
NAMES |= {"Bing", "Yandex", "Left", "Right", "Data", "dd MMMM y, HH:mm"}
"""Of products; a command; a state as the service calls it; fields of S3's and of PDF; keys of a
keyboard; a pattern of dates."""
REPORT = {"content.py", "document.py", "fonts.py", "pages.py", "pdf.py"}
"""What draws a report; the other files there seal and check it."""


PRODUCT = [
    tool.ROOT / package
    for package in ("cli", "dashboard", "detector", "pages", "plugins", "service")
]


def test_what_is_marked_can_be_found():
    """A text is a literal: what is put together while the program runs is in no file."""
    wrong, definitions = [], []
    for folder in PRODUCT:
        for file, tree in tool.sources(folder):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and node.name == "_":
                    definitions.append(f"{folder.name}/{file}")
                marks = isinstance(node, ast.Call) and ast.unparse(node.func) == "_"
                texts = node.args if marks else []
                if not all(isinstance(text, ast.Constant) for text in texts):
                    wrong.append(f"{folder.name}/{file}:{node.lineno}")
    assert not wrong
    assert definitions == ["detector/sentences.py"]


def silent(node):
    """The parts of a node that are marked, or that no page shows."""
    if isinstance(node, ast.Call):
        if ast.unparse(node.func).startswith("log."):
            return node.args
        return [*tool.marked(node), *(k.value for k in node.keywords if k.arg in NOT_SAID)]
    if isinstance(node, ast.Expr):
        return [node.value] if isinstance(node.value, ast.Constant) else []
    if isinstance(node, ast.Subscript):
        return [node.slice]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return [node.value]
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        # A mistake of ours, not of whoever looks at the page.
        return [node.exc] if ast.unparse(node.exc.func) in vars(builtins) else []
    return []


def unmarked(tree, silent=silent):
    """Line and text of every literal that reads like a text for people and is not marked."""
    passed = {id(part) for node in ast.walk(tree) for s in silent(node) for part in ast.walk(s)}
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in passed
        ):
            text = re.sub(r"<[^>]*>?|&[a-z]+;", "|", node.value)
            if PROSE.search(text) and not NO_PROSE.search(text) and text not in NAMES:
                found.append((node.lineno, str(node.value)))
    return found


def test_what_is_not_marked_is_found():
    code = 'say("Hello there", key="no key")\nsay(f"{n} more files")\n_("Fine, it is")'
    assert unmarked(ast.parse(code)) == [(1, "Hello there"), (2, " more files")]


def test_every_text_is_marked():
    missed = [
        f"{file}:{line}: {text[:60]!r}"
        for file, tree in [*tool.sources(), *tool.sources(tool.SERVICE)]
        if not file.startswith(("theme", FOR_PROGRAMS)) and file not in NOT_FOR_PEOPLE
        for line, text in unmarked(tree)
    ]
    assert not missed, "\n".join(missed)


def test_every_text_of_a_report_is_marked():
    missed = [
        f"{file}:{line}: {text[:60]!r}"
        for file, tree in tool.sources(tool.REPORT)
        if file in REPORT
        for line, text in unmarked(tree)
        if "time zone" not in text and "IANA" not in text  # to whoever types one
    ]
    assert not missed, "\n".join(missed)


def test_what_the_service_says_is_said_in_the_readers_language():
    """Its sentences are English until an edge says them: no page shows one as it is."""
    wrong = []
    for file, tree in tool.sources():
        if file in ("i18n.py", "server.py", "hosting.py"):  # the last two speak to a terminal
            continue
        asked = [node.test for node in ast.walk(tree) if isinstance(node, ast.If | ast.IfExp)]
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        said = [call for call in calls if ast.unparse(call.func) == "say"]
        called = [call.func for call in calls]
        passed = {id(part) for node in [*asked, *said] for part in ast.walk(node)}
        passed |= {id(function) for function in called}
        wrong += [
            f"{file}:{node.lineno} {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in ("advice", "message", "hint")
            and id(node) not in passed
        ]
    assert not wrong


OF_A_FILE = {
    "audio": (), "media": (), "pipeline": (),
    "live": ("display.py", "score_history.py", "scoring.py"),
    "provenance": ("__init__.py", "credential.py", "findings.py"),
}  # fmt: skip
"""Packages, or some of their files, that say of a file or a session what a page shows."""
NOT_OF_A_FILE = {"Google", "Camera", "Camera maker", "Feed", "not judged"}
NOT_OF_A_FILE |= {"tuple[int, int, int]", "Silero Team, github.com/snakers4/silero-vad, version 6"}
NOT_OF_A_FILE |= {"Perth", "Chatterbox"}
NOT_OF_A_FILE |= {"JPEG 2000", "Sun raster", "Flash", "Bink", "Smacker", "Musepack"}
NOT_OF_A_FILE |= {"Zstandard", "Android backup", "Shorten", "Attribute"}
NOT_OF_A_FILE |= {"ipod photo cache", "network trash folder", "system volume information"}
NOT_OF_A_FILE |= {"unmask gamma", "too slow"}  # a key; a state that `labels` has words for
NOT_OF_A_FILE |= {"Resemble AI, github.com/resemble-ai/Perth, version 1.0.1"}


def test_every_sentence_on_a_file_is_marked():
    """Notes, findings, why a model gave no score, hints of the live page: each has a template."""
    missed = [
        f"{package}/{file}:{line}: {text[:60]!r}"
        for package, files in OF_A_FILE.items()
        for file, tree in tool.sources(tool.DETECTOR / package)
        if not files or file in files
        for line, text in unmarked(tree)
        if text not in NOT_OF_A_FILE and "|" not in text  # nor patterns
    ]
    assert not missed, "\n".join(missed)
    for package, files in OF_A_FILE.items():
        assert all((tool.DETECTOR / package / file).is_file() for file in files)


def test_notes_and_findings_are_said_in_spanish():
    """Also of a result that was stored."""
    facts = [Fact(group="camera", name="Camera", value="Pixel 8", source="EXIF")]
    facts += [Fact(group="encoder", name="Video encoder", value="x264 164", source="video stream")]
    parts = _("{parts} parts of the recording").format(parts=2)
    facts += [Fact(group="container", name="Edit list", value=parts, source="")]
    mark = GeneratorMark(name="Sora", maker="OpenAI", place="left", score=0.7, certain=True)
    repeats = Repeats(frames=90, repeated=45, packets=90, copied=6)
    signed = Credential(state="untrusted", generated=True, signer="A. B.")
    origin = Provenance(credential=signed, facts=facts, marks=[mark], repeats=repeats)
    origin.findings = [*findings(origin), *HDR.values(), TOO_FAR, DAMAGED]
    stored = Provenance.model_validate_json(origin.model_dump_json())
    assert len(stored.findings) == 10
    with use(languages.catalog("es")):
        notes = [say(note) for note in stored.findings]
        for note, english in zip(notes, origin.findings, strict=True):
            assert note != english and not re.search(r"\b(the|is|its|was|of|on)\b", note), note
        assert "2 partes de la grabación" in "".join(notes)
        for data in (fit.thresholds.data for fit in manifest().likelihoods.values()):
            assert re.search("fuentes|habla", say(data)), data
        assert origin_words.fact_rows(stored.facts)[0] == ("Cámara", "Pixel 8", "EXIF")


def test_a_message_is_never_put_together_by_hand():
    wrong = [
        f"{file}:{node.lineno}"
        for file, tree in tool.sources(tool.SERVICE)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.BinOp)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and tool.marked(call)
    ]
    assert not wrong


def test_a_refusal_of_the_service_is_said_in_the_language(esperanto):
    guest = RequestContext(Principal("guest:language", PrincipalKind.GUEST), address="203.0.113.77")
    with pytest.raises(limits.RateLimitExceeded) as refused:
        for _turn in range(100):
            with limits.taking(guest):
                pass
    english = texts.english(refused.value.message)
    assert english.startswith("This server allows 20\u00a0files an hour. Next one in")
    assert re.fullmatch(
        r"⟦This server allows 20\u00a0⟦files⟧ an hour\.⟧ ⟦Next one in \d+\u00a0⟦minutes⟧\.⟧",
        say(refused.value.message),
    )


def test_a_fault_that_a_worker_wrote_is_read_in_the_readers_language(monkeypatch, esperanto):
    with pytest.raises(InputError) as refused:
        rules.check_share_ttl(timedelta(days=1000))
    kept = ErrorReport.model_validate_json(fault_of(refused.value).model_dump_json())
    assert kept.problem.message == "A link can last up to 90 days."
    assert say(message_of(kept)) == "⟦A link can last up to 90 days.⟧"
    ours = fault_of(ZeroDivisionError())
    for fault in (ours, ours.model_copy(update={"message": None})):
        assert say(message_of(fault)) == "⟦The analysis stopped. Your file is not at fault.⟧"
    with use(ENGLISH):
        assert say(message_of(kept)) == kept.problem.message


@pytest.mark.parametrize(
    ("page", "head"),
    [
        ("analyze", "Check a picture, a video or a voice"),
        ("models", "Models"),
        ("live", "Live"),
        ("compare", "Compare"),
        ("evaluate", "Evaluate on your own files"),
        ("history", "History"),
        ("settings", "Settings"),
    ],
)
def test_a_page_speaks_the_language(esperanto, tmp_path, monkeypatch, page, head):
    monkeypatch.setattr("dashboard.pages.live.view.webrtc_streamer", lambda **given: None)
    with pages.quiet(tmp_path):
        at = AppTest.from_file(pages.APP, default_timeout=PATIENT)
        pages.turn_to(at, page).run()
    assert not at.exception
    text = said(at).replace(labels.NBSP, " ")
    assert f"⟦{head}⟧" in text
    for english in sorted(of_detector(), key=len, reverse=True):
        text = text.replace(labels.escape(english), "")
    assert not re.findall(r".*[a-z]{3,} [a-z]{3,}.*", outside(text))


def of_detector():
    """What the detector says of its models, which is English."""
    found = set()
    for status in inventory.inventory():
        spec = status.spec
        found |= {spec.title, spec.architecture, spec.summary, spec.license_weights}
        found |= {spec.plain, spec.finding}
        found |= {status.why, status.recommended, ", ".join(spec.weak_on[:3])}
        found |= {figure.data for figure in spec.published}
    return found - {""}


def test_reasons_and_limits_are_said_in_the_language(esperanto):
    for given in ({}, {"fake": False}, {"whole": 0.0}, {"whole": 0.0, "fake": False}):
        made = make_analysis(people="A", **given)
        for reason in made.verdict.reasons:
            assert messages.text(reason).startswith("⟦"), reason
            assert not re.search(r"[a-z]{3,} [a-z]{3,}", outside(messages.text(reason)))
        for caveat in made.verdict.caveats:
            assert messages.text(caveat).startswith("⟦"), caveat
        card = [verdict_card.head(made), question.rows(made), verdict_card.number(made)]
        card += [
            verdict_card.limits(made),
            *markdown.of_sections([answers.how_we_know(made)]),
            material.rated(made.evidence),
        ]
        card += [row.name for row in pulls.rows(made) if not row.id]
        for html in card:
            left = outside(html.replace("240 held-out clips", "").replace("120 held-out clips", ""))
            assert not re.search(r"[a-z]{3,} [a-z]{3,}", left), left
    asked = NextStep(ActionCode.ASK_ORIGINAL, {"why": "copies"})
    for step in (asked, NextStep(ActionCode.CHECK_ORIGIN)):
        assert actions.step(step).why.startswith("⟦")


FINDINGS = (
    "Blending edge along the jaw",
    "Texture of the skin differs from its surroundings",
    "A picture as generators make it",
)
"""Of models in the sample that are not bundled"""


def test_a_command_speaks_the_language_of_its_terminal(esperanto, monkeypatch):
    monkeypatch.delenv("UNMASK_LANGUAGE")
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(variable, raising=False)
    for name, code in (("eo_XX.UTF-8", "eo"), ("de_DE.UTF-8", "en"), ("C.UTF-8", "en"), ("", "en")):
        monkeypatch.setenv("LANG", name)
        assert languages.of_terminal() == code
    monkeypatch.setenv("UNMASK_LANGUAGE", "eo")
    for given in ({}, {"fake": False}, {"people": "AB", "whole": 3.0}):
        made = make_analysis(**given)
        text = summary(made)
        for foreign in (made.media.name, "240 held-out clips", *FINDINGS):
            text = text.replace(foreign, "")
        assert not re.findall(r".*[a-z]{3,} [a-z]{3,}.*", outside(text))
        assert "⟦" in text and "⟦" not in made.model_dump_json()


def test_help_of_every_command_is_in_the_language(esperanto, monkeypatch, capsys):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)  # no text is broken
    # The lab's own help is English.
    translated = {"mcp": entry_points(group="unmask.commands", name="mcp")}
    monkeypatch.setattr("cli.packages.entry_points", lambda name, **_: translated.get(name, []))
    typed = [[name, *more] for name in COMMANDS for more in actions_of(name)]
    for words in [[], *typed]:
        assert main([*words, "--help"]) == 0
        text = capsys.readouterr().out.replace(" ".join(["unmask", *words]), "")
        assert "⟦" in text
        assert not re.findall(r".*[A-Za-z]{2,} [a-z]{2,}.*", outside(text))


def actions_of(name):
    return [[], *([action] for action in getattr(command(name), "commands", ()))]


@pytest.mark.parametrize("code", ["de", "ar"])
def test_help_and_usage_errors_follow_the_terminal(monkeypatch, capsys, code):
    monkeypatch.setenv("UNMASK_LANGUAGE", code)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    with tool.file_of(code).open("rb") as file:
        said = {text.id: text.string for text in read_po(file)}
    for words, english in (
        (["--help"], ("analyze videos and pictures", "show the version", "Commands")),
        (["analyze", "--help"], ("instead of the default ensemble", "Arguments", "[required]")),
    ):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert all(said[one] in text and one not in text for one in english)
    for words, error in (
        (["analyze"], said["Missing argument {name}."].format(name="'paths'")),
        (["analyze", "x", "--nosuch"], said["No such option: {name}"].format(name="--nosuch")),
        (
            ["analyze", "x", "--fps", "99"],
            said["Input should be less than or equal to {high}"].format(high=60),
        ),
        (["report", "x.json"], said["Say what to write: --out report.pdf, or --mark copy.mp4."]),
    ):
        assert main(words) == 2
        assert error in capsys.readouterr().err


def test_what_the_catalog_says_of_a_bundled_model_can_be_translated(esperanto):
    bundled = [s.spec for s in inventory.inventory() if s.spec.bundled and s.spec.finding]
    assert bundled
    for spec in bundled:
        assert say(spec.plain) == f"⟦{spec.plain}⟧"
        assert say(spec.finding) == f"⟦{spec.finding}⟧"


def test_people_are_called_in_the_language(esperanto):
    """A result calls them in English (`Track.who`), which no mark in the code can show."""
    analysis = make_analysis()
    lanes = [series.lane(analysis, track) for track in analysis.judged]
    sizes = charts.lane_sizes(len(lanes))
    view = evidence.view_data(analysis, lanes, sizes, time=1.0, seek=0, pictures={})
    found = [str(view), people.spoken(analysis), verdict_card.head(analysis)]
    found += re.findall(r'aria-label="(.*?)"', view["html"])
    found += [series.place(lane.track, 14.0) for lane in lanes]
    found += [series.finding(lane, analysis.verdict.thresholds) for lane in lanes]
    assert not re.findall(r"Person|left|right", outside(re.sub(r"'\w+':", "", "\n".join(found))))


def said(at):
    """Own HTML, titles, and what stands on, in and beside the widgets."""
    protos = [getattr(node, "proto", None) for node in at.main]
    shown = ("body", "label", "placeholder", "help")
    parts = [getattr(proto, name, "") for proto in protos for name in shown]
    return "\n".join(part for part in parts if isinstance(part, str))


def outside(text):
    """What of a page stands outside of all brackets; those of what is filled in stand in others."""
    text, found = re.sub(r"<[^>]*>", " ", text), 1
    while found:
        text, found = re.subn(r"⟦[^⟦⟧]*⟧", " ", text)
    return text


def test_every_language_fills_in_what_the_english_does(folder):
    wrong = []
    for file in [place for root in (tool.FOLDER, folder) for place in root.rglob("*.po")]:
        code = file.parts[-3]
        with file.open("rb") as source:
            catalog = read_po(source, locale=code)
        for message in (one for one in catalog if not one.fuzzy):
            many = message.id[-1] if isinstance(message.id, tuple) else message.id
            said = message.string if isinstance(message.string, tuple) else (message.string,)
            wrong += [
                (code, many, text)
                for text in said
                if many and text and (blanks(text), tags(text)) != (blanks(many), tags(many))
            ]
    assert not wrong


def test_a_report_counts_what_each_language_lacks(capsys):
    tool.report()
    total = sum(1 for message in tool.texts() if message.id)
    lines = capsys.readouterr().out.splitlines()
    counts = {
        line.split(":")[0]: int(re.search(r": (\d+) of", line)[1])
        for line in lines
        if " texts translated" in line
    }
    assert counts.keys() == set(languages.available())
    assert all(0 < ready <= total for ready in counts.values())
    assert len(lines) - len(counts) == sum(total - ready for ready in counts.values())


def blanks(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def tags(text):
    return sorted(re.findall(r"<[^>]+>", text))
