"""`unmask compare` and the tool `compare` on a genuine clip and its fake, in both orders."""

import json
from types import SimpleNamespace

import pytest

from cli import compare as command
from cli import main
from cli.compare import MANIPULATED, ROLES_OPEN
from detector import report
from detector.schema.comparison import Comparison
from mcp_server.server import Tools, server_of
from tests.integration.cli.test_mcp import asked
from tests.support.compared import write_pair
from tests.support.pdf import text_of

LIKELY = {"press.mp4": 0.19, "shared.mp4": 0.87}
OPEN = (
    "Same footage, another face; we can’t tell which is the original; "
    "the detectors suspect shared.mp4 (87 against 19)"
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    clips = write_pair(tmp_path_factory.mktemp("pair"))
    return clips["original"], clips["copy"]


@pytest.fixture(autouse=True)
def detectors(monkeypatch):
    """The detectors suspect the fake."""
    monkeypatch.setattr(command, "likelihood_by", lambda *_: lambda path: LIKELY[path.name])
    verdict = {name: SimpleNamespace(probability=likely) for name, likely in LIKELY.items()}

    def analyzed(self, file, settings, report, stop):
        for share in (0.0, 1.0):
            report(share)
        return SimpleNamespace(verdict=verdict[file.name])

    monkeypatch.setattr(Tools, "_analyzed", analyzed)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["genuine first", "fake first"])
def test_without_a_statement_neither_file_is_accused(pair, order, tmp_path, capsys):
    files = [str(pair[i]) for i in order]
    out, paper = tmp_path / "pair.json", tmp_path / "pair.pdf"
    more = ["--json", str(out), "--report", str(paper)]
    assert main(["compare", *files, *more]) == ROLES_OPEN
    found = json.loads(out.read_text())
    assert found["role_source"] == "unknown"
    printed = capsys.readouterr().out
    assert OPEN in printed and "Manipulated" not in printed
    assert report.verify(paper).intact
    said = text_of(paper.read_bytes())
    assert "we can’t tell which is the original" in said and "Manipulated copy" not in said
    assert "The detectors suspect shared.mp4 (87 against 19)." in said


@pytest.mark.parametrize(
    ("order", "by"), [((0, 1), "letter"), ((1, 0), "path")], ids=["genuine first", "fake first"]
)
def test_a_person_names_the_original(pair, order, by, capsys):
    files = [str(pair[i]) for i in order]

    def named(path):
        return str(path) if by == "path" else "AB"[files.index(str(path))]

    genuine, fake = pair
    assert main(["compare", *files, "--original", named(genuine)]) == MANIPULATED
    assert "Manipulated copy of press.mp4: the face of Person A differs" in capsys.readouterr().out
    assert main(["compare", *files, "--original", named(fake)]) == ROLES_OPEN
    said = capsys.readouterr().out
    assert "shared.mp4 was named the original, but the detectors suspect it" in said
    assert "Manipulated copy" not in said


def test_something_else_named_the_original_is_refused(pair, capsys):
    assert main(["compare", *map(str, pair), "--original", "other.mp4"]) == 2
    assert "--original names one of the two files" in capsys.readouterr().err


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["genuine first", "fake first"])
def test_an_agent_is_told_the_same(pair, order):
    a, b = (pair[i].name for i in order)
    genuine, shares = "AB"[order.index(0)], []

    async def progress(share, total, message):
        shares.append(share)

    folders = [pair[0].parent]
    (neutral,) = asked(
        server_of(folders), ("compare", {"a": a, "b": b}), progress_callback=progress
    )
    (stated,) = asked(server_of(folders), ("compare", {"a": a, "b": b, "original": genuine}))
    assert shares == sorted(shares) and shares[-1] == 1
    assert OPEN in neutral.content[0].text
    assert not Comparison.model_validate(neutral.structured_content).accuses
    assert "Manipulated copy of press.mp4" in stated.content[0].text
    assert Comparison.model_validate(stated.structured_content).accuses
