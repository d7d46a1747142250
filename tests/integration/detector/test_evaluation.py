"""Figures of an evaluation against scikit-learn and known answers; whole runs on made files."""

import csv
import io
import json
import tomllib
import zipfile
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from cli import main
from detector.errors import InputError, ModelError, UsageError
from detector.evaluation import evaluate, metrics, runs, scores, tables
from detector.evaluation.evaluate import FileSelection, limited, report
from detector.evaluation.labels import Item, family, questions, read_labels
from detector.evaluation.report import (
    ENSEMBLE,
    Column,
    Report,
    Table,
    couples_of,
    paired_ranking,
    reliability,
)
from detector.evaluation.scores import Scored, Scoring, score_files
from detector.models import registry
from detector.perturbation.conditions import ALL, NONE, Condition
from detector.presentation.evaluation import text_of
from detector.presentation.evaluation_charts import reliability_svg
from detector.schema.analysis import Question
from lab.bench import quality
from tests.conftest import write_clip
from tests.support import speech

ROOT = Path(__file__).resolve().parents[3]


def drawn(seed, files=80):
    """Scores with ties, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], files // 2)
    return np.round(rng.normal(labels * 1.2, 1.0), 1), labels


def item(name, label, group, source="a/b", kind="video"):
    return Item(Path(name), name, label, kind, "face swap" if label else "none", group, source)


def scored(
    name, label, logit, *, group="", source="s", method="face swap", model=None, sharpness=1.0
):
    p = None if logit is None else float(expit(np.array(logit)))
    verdict = "NOT_APPLICABLE"
    if p is not None:
        verdict = "FAKE" if p > 0.7 else "REAL" if p < 0.3 else "INCONCLUSIVE"
    asked = questions(method)[0] if label else Question.MANIPULATION
    return Scored(
        name=name,
        label=label,
        kind="video",
        method=method if label else "none",
        group=group or name,
        source=source,
        person=group or name,
        highest={} if logit is None else {"texture": logit, "meso4-df": model or 0.0},
        answers={} if p is None else {asked: p},
        answer_labels={} if p is None else {asked: verdict},
        probability=p,
        verdict=verdict,
        features={} if sharpness is None else {"sharpness": sharpness},
        problem="no_face" if p is None else "",
    )


@pytest.mark.parametrize("seed", range(4))
def test_ranking_figures_are_those_of_scikit_learn(seed):
    values, labels = drawn(seed)
    assert metrics.auc(values, labels) == pytest.approx(roc_auc_score(labels, values))
    fpr, tpr, _ = roc_curve(labels, values, drop_intermediate=False)
    for rate in (0.01, 0.05, 0.2):
        assert metrics.tpr_at(values, labels, rate) == pytest.approx(tpr[fpr <= rate].max())
    nearest = int(np.argmin(np.abs(fpr - (1 - tpr))))
    both = (fpr[nearest] + 1 - tpr[nearest]) / 2
    assert metrics.equal_error(values, labels) == pytest.approx(both, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_calibration_figures_are_those_of_scikit_learn(seed):
    _, labels = drawn(seed, 400)
    p = expit(np.random.default_rng(seed).normal(labels * 2 - 1, 1.5))
    assert metrics.brier(p, labels) == pytest.approx(brier_score_loss(labels, p))
    seen, said = calibration_curve(labels, p, n_bins=10)
    bins = reliability(p, labels)
    np.testing.assert_allclose([b.seen.value for b in bins], seen)
    np.testing.assert_allclose([b.said for b in bins], said)
    assert sum(b.seen.of for b in bins) == len(p)
    weights = np.array([b.seen.of for b in bins]) / len(p)
    assert metrics.calibration_error(p, labels) == pytest.approx(
        float((weights * np.abs(seen - said)).sum())
    )


def test_figures_on_known_answers():
    values = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.8, 0.85, 0.95])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert metrics.tpr_at(values, labels, 0.25) == 1.0
    assert metrics.tpr_at(values, labels, 0.05) == 0.25
    assert metrics.equal_error(values, labels) == pytest.approx(0.25)
    assert metrics.paired_ranking_accuracy(values, [(0, 4), (3, 5)]) == 0.5
    assert metrics.calibration_error(np.full(10, 0.7), np.array([1] * 7 + [0] * 3)) < 1e-9
    interval = metrics.auc_interval(values, labels, [str(i) for i in range(8)])
    assert interval.low < interval.value < interval.high <= 1
    assert np.isnan(metrics.auc(values, np.zeros(8)))
    assert np.isnan(metrics.calibration_error(np.array([]), np.array([])))


def test_a_share_of_none_has_an_interval():
    """Wilson's for 0 of 39, as any table has it: up to 9 %."""
    found = metrics.wilson(0, 39)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.0897, abs=1e-4)
    assert metrics.wilson(39, 39).low == pytest.approx(1 - 0.0897, abs=1e-4)
    assert np.isnan(metrics.wilson(0, 0).value)


def test_honest_probabilities_show_what_chance_gives():
    rng = np.random.default_rng(0)
    p = rng.random(90)
    shown = [metrics.calibration_error(p, rng.random(90) < p) for _ in range(200)]
    chance = metrics.calibration_error_by_chance(p)
    assert np.mean(shown) == pytest.approx(chance.value, abs=0.01)
    assert np.mean(np.array(shown) > chance.high) < 0.07
    # Ten times the files, a third of it.
    assert metrics.calibration_error_by_chance(np.tile(p, 10)).value < 0.5 * chance.value


def test_risk_against_coverage():
    coverage, risk = metrics.risk_coverage(np.array([0.9, 0.1, 0.5, 0.3]), np.array([0, 1, 0, 1]))
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3, 1 / 2])
    # Equally sure answers: no order of the files makes a difference.
    tied = np.array([0, 1, 1, 0, 0, 1])
    for order in (tied, np.sort(tied)):
        np.testing.assert_allclose(metrics.risk_coverage(np.full(6, 0.5), order)[1], 0.5)


def test_a_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 60)
    clip = rng.normal(labels * 1.0, 1.0)
    better, worse = clip + rng.normal(0, 0.1, 120), clip + rng.normal(0, 2.0, 120)
    groups = [str(i // 2) for i in range(120)]
    gap = metrics.auc_interval(better, labels, groups, less=worse)
    assert gap.value == pytest.approx(metrics.auc(better, labels) - metrics.auc(worse, labels))
    assert 0 < gap.low < gap.value < gap.high
    apart = [metrics.auc_interval(x, labels, groups) for x in (better, worse)]
    assert gap.high - gap.low < 0.8 * sum(i.high - i.low for i in apart)
    none = metrics.auc_interval(better, labels, groups, less=better)
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_a_bootstrap_in_one_matrix_is_that_of_scikit_learn_draw_by_draw():
    values, labels = drawn(6)
    groups = np.arange(len(values)) // 4
    rng, found = np.random.default_rng(0), []
    for _ in range(metrics.ROUNDS):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(20, size=20)])
        found.append(roc_auc_score(labels[rows], values[rows]))
    interval = metrics.auc_interval(values, labels, groups)
    assert interval.value == pytest.approx(roc_auc_score(labels, values))
    assert [interval.low, interval.high] == pytest.approx(np.percentile(found, [2.5, 97.5]))


def test_groups_move_together():
    values, labels = drawn(5, 12)
    alone = metrics.auc_interval(values, labels, [str(i) for i in range(12)])
    copied = metrics.auc_interval(
        np.tile(values, 30), np.tile(labels, 30), [str(i) for i in range(12)] * 30
    )
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, abs=0.02)


def made(seed=0):
    """Twenty originals with a swap of each, ten talking heads, two lost files."""
    rng = np.random.default_rng(seed)
    files = []
    for i in range(20):
        base = rng.normal()
        files.append(scored(f"r{i}", 0, base - 1.5, group=f"g{i}", sharpness=2 + rng.normal()))
        files.append(scored(f"f{i}", 1, base + 1.5, group=f"g{i}", model=rng.normal(), source="s"))
    files += [scored(f"t{i}", 1, rng.normal(1), method="SadTalker", source="t") for i in range(10)]
    files += [scored("lost-real", 0, None, sharpness=None), scored("lost-fake", 1, None)]
    return files


@pytest.fixture(scope="module")
def full():
    """Of the made files, beside one published model and under one condition."""
    files = made()
    worse = [
        s.model_copy(update={"condition": "crf-32", "probability": 0.5, "verdict": "INCONCLUSIVE"})
        for s in files
    ]
    return report({NONE: files, Condition("crf", 32): worse}, ["texture"], ["meso4-df"])


def test_what_could_not_be_judged_counts_against_us():
    files = [scored(f"r{i}", 0, -1.0 - i, group=f"g{i}") for i in range(4)]
    files += [scored(f"f{i}", 1, 1.0 + i, group=f"g{i}") for i in range(3)]
    files.append(scored("lost", 1, None, group="g3"))
    out = report({NONE: files}, ["texture"])
    whole = out.table("model")[0]
    assert whole["AUC"].value == pytest.approx(0.75)
    assert (whole["AUC of the judged"].value, whole["AUC of the judged"].of) == (1.0, 7)
    assert (whole["pairs won"].of, whole["pairs won"].value) == (4, 0.75)
    assert out.not_judged == {"lost": "no_face"}
    assert out.combined["decided"].count == 7
    assert out.combined["right of the decided"].value == 1.0
    assert out.curves["combined"].risk[-1] == pytest.approx(1 / 8)


def test_each_of_the_five_answers_is_counted():
    given = ("FAKE", "PROBABLY_FAKE", "INCONCLUSIVE", "PROBABLY_REAL", "REAL")
    files = [
        scored(f"{verdict} {label}", label, 0.0).model_copy(update={"verdict": verdict})
        for verdict in given
        for label in (0, 1)
    ]
    row = report({NONE: files}, ["texture"]).combined
    for label in given:
        assert (row[f"originals called {label}"].count, row[f"fakes called {label}"].of) == (1, 5)
    assert (row["decided"].count, row["right of the decided"].count) == (8, 4)


def test_each_question_is_judged_on_its_own_fakes(full):
    _, manipulation, synthesis = answers = full.table("answer")
    assert [row.name for row in answers] == ["combined", "manipulation", "synthesis"]
    assert [row.count("fakes") for row in answers] == [31, 21, 10]
    assert manipulation.count("originals") == synthesis.count("originals") == 21
    # The originals of this made set have no answer to the second question: all count against it.
    assert synthesis["AUC"].value == 0.0
    assert synthesis["AUC of the combined answer"].value > 0.8
    assert {row.name for row in full.table("method")} == {"face swap", "SadTalker"}
    by_source = {row.name: row for row in full.table("source")}
    assert by_source["t"].figures.keys() == {"originals", "fakes", "fakes called FAKE"}
    assert by_source["s"]["originals called FAKE"].of == 21


def test_baselines_are_compared_in_pairs(full):
    files = made()
    found = {row.name: row for row in full.table("published", "feature")}
    assert set(found) == {"meso4-df", "sharpness"}, "what judged nothing is no baseline"
    meso, sharpness = found["meso4-df"], found["sharpness"]
    less = meso["AUC of ours less this"]
    assert (meso.table, sharpness.table) == ("published", "feature")
    assert less.value == pytest.approx(full.combined["AUC"].value - meso["AUC"].value)
    assert less.low > 0 and sharpness["AUC"].value >= 0.5
    same = [s.model_copy(update={"highest": {"meso4-df": s.probability or 0}}) for s in files]
    column = Column.of([s.probability for s in files], files)
    (equal, *_) = evaluate.compare(same, ["meso4-df"], column, couples_of(files))
    assert equal["AUC of ours less this"].low <= 0 <= equal["AUC of ours less this"].high


def test_a_feature_is_turned_to_its_better_side():
    files = [scored(str(i), i % 2, 0.0, sharpness=float(-(i % 2))) for i in range(20)]
    column = Column.of([s.probability for s in files], files)
    (sharpness,) = evaluate.compare(files, [], column, [])
    assert (sharpness.title, sharpness["AUC"].value) == ("low sharpness", 1.0)
    assert sharpness["AUC of ours less this"].high < 0


def test_a_condition_is_held_against_the_same_files(full):
    plain, crf = full.table("condition")
    assert plain["AUC"] == full.combined["AUC"] and "AUC lost" not in plain.figures
    assert crf["AUC"].value == 0.5
    assert crf["AUC lost"].value == pytest.approx(full.combined["AUC"].value - 0.5)
    assert crf["AUC lost"].low > 0.2
    assert crf["decided"].count == 0


@pytest.mark.parametrize("won", [0, 1])
def test_all_pairs_won_is_no_certainty(won):
    """Six pairs of three people: as sure as three of three."""
    values = np.array([[0.0, 2.0 * won - 1]] * 6).ravel()
    groups = [f"p{n // 4}" for n in range(12)]
    column = Column(values, np.tile([0, 1], 6), np.ones(12, bool), groups)
    found = paired_ranking(column, [(2 * n, 2 * n + 1) for n in range(6)])
    assert (found.value, found.high - found.low) == (won, pytest.approx(1 - 0.438, abs=0.001))


def test_pairs_need_one_original():
    files = [scored("a", 0, 0.0, group="g"), scored("b", 0, 0.0, group="g")]
    files += [scored("c", 1, 1.0, group="g"), scored("d", 0, 0.0, group="h")]
    files += [scored("e", 1, 1.0, group="h"), scored("f", 1, 1.0, group="h", source="elsewhere")]
    assert couples_of(files) == [(3, 4)]


def written_up(kind, **more):
    software = {"version": "1", "python": "3", "torch": "2", "device": "cpu", "backend": "x"}
    return Report(
        labels="made.csv", created="2026-01-01T00:00:00Z", software=software, frames=32,
        thresholds={}, weights={}, kinds=[kind], **more,
    )  # fmt: skip


def test_a_report_can_be_read_by_people_and_programs(full, tmp_path):
    whole = written_up(full, missing_baselines=["lrnet"], notes=["A note."])
    written = {path.name: path for path in tables.write(whole, tmp_path)}
    again = Report.model_validate_json(written["report.json"].read_text())
    assert again.model_dump_json() == whole.model_dump_json()
    text = written["report.md"].read_text()
    for words in ("A note.", "Not on this computer: lrnet", "lost-real (no_face)", "h264 CRF 32"):
        assert words in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    rows = list(csv.DictReader(written["figures.csv"].read_text().splitlines()))
    auc = next(
        r for r in rows if (r["table"], r["name"], r["figure"]) == ("model", ENSEMBLE, "AUC")
    )
    assert float(auc["value"]) == pytest.approx(full.combined["AUC"].value, abs=1e-5)
    assert {row["table"] for row in rows} == set(get_args(Table))
    for name in ("reliability-video.svg", "risk-video.svg"):
        assert ElementTree.fromstring(written[name].read_text()).attrib["role"] == "img"
    dots = written["reliability-video.svg"].read_text().count(' fake">')
    assert dots == sum(len(curves.bars) for curves in full.curves.values())


def test_a_strangers_words_are_no_formulas(full):
    tricked = scored("=cmd|x.mp4", 1, -2.5, group="+g", source="@s", method="=cmd|x")
    rows = list(csv.DictReader(tables.scores_csv([tricked]).splitlines()))
    row = rows[0]
    assert [row[name] for name in ("file", "group", "source", "method")] == [
        "'=cmd|x.mp4", "'+g", "'@s", "'=cmd|x"
    ]  # fmt: skip
    assert row["logit of texture"] == "-2.5", "a number stays one"
    named = full.table("method")[0].model_copy(update={"name": "=cmd|x"})
    said = tables.to_csv(written_up(full.model_copy(update={"rows": [named]})))
    assert "method,'=cmd|x," in said and ",=cmd" not in said


def test_figures_are_written_where_they_belong(full, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- quality -->\nold\n<!-- /quality -->\nAfter.\n")
    for text in ("new", "newer"):
        quality.fill(page, "quality", text)
        assert page.read_text() == (
            f"Before.\n<!-- quality -->\n{text}\n<!-- /quality -->\nAfter.\n"
        )
    with pytest.raises(SystemExit, match="measured"):
        quality.fill(page, "measured", "x")
    manifest = (ROOT / "weights" / "manifest.toml").read_text()
    (model,) = full.alone
    once = quality.with_measured(manifest, model, full, "made")
    assert quality.with_measured(once, model, full, "made") == once
    before, after = (tomllib.loads(text) for text in (manifest, once))
    changed = {m["id"]: m.pop("measured") for m in after["models"] if "measured" in m}
    stays, first, *rest = changed["texture"]
    assert "sources left out" in stays["data"], "what another command measured"
    assert first["value"] == pytest.approx(model["AUC"].value, abs=1e-3)
    assert (first["data"], first["clips"]) == ("made clips, all", 52)
    assert len(rest) == sum(name.startswith(quality.FAMILY) for name in model.figures) == 2
    kept = {m["id"]: m.pop("measured", None) for m in before["models"]}
    assert before == after, "everything but the figures is as it was"
    assert {id: kept[id] for id in changed if id != "texture"} == {
        id: value for id, value in changed.items() if id != "texture"
    }
    assert once.count("\n# ---") == manifest.count("\n# ---")
    told = quality.measured(model, full, "made")
    assert f"| face swap (21 fakes) | {text_of(model['AUC, face swap'])} |" in told


def test_there_is_a_place_for_every_figure():
    for card in (s.card for s in registry.list_models() if s.bundled and s.card):
        text = (ROOT / "weights" / card).read_text()
        assert text.count("<!-- measured -->") == text.count("<!-- /measured -->") == 1, card


def test_a_limit_keeps_groups_whole():
    items = [item(f"{g}-{n}", n % 2, f"g{g}") for g in range(12) for n in range(3)]
    some = limited(items, 10)
    groups = {i.group for i in some}
    assert 10 <= len(some) <= 12
    assert some == [i for i in items if i.group in groups]
    assert {i.name for i in limited(items[::-1], 10)} == {i.name for i in some}


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("DeepFaceLive (DFM model)", "face swap"),
        ("FF++ DeepFakeDetection c23", "face swap"),
        ("FF++ Face2Face c23", "reenactment"),
        ("Sonic (audio-driven diffusion)", "talking head"),
        ("Wav2Lip", "lip-sync"),
        ("wav2lip (PersonaTalk comparison; history)", "lip-sync"),
        ("StyleGAN2", "gan"),
        ("GRAM-HD (3D GAN)", "gan"),
        ("Sora 2 (text to video)", "text to video"),
        ("FLUX.1 [schnell]", "text to image"),
        # Pasted back into untouched footage, whatever network made them.
        ("STIT (StyleGAN face editing)", "face edit"),
        ("LivePortrait (video expression editing)", "face edit"),
        ("FSGAN", "face swap"),
        ("REFace", "face swap"),
        ("VividFace ablation", "face swap"),
        ("FSRT (self reenactment)", "talking head"),
        ("Portrait4D-v2 (CAP4D comparison panel)", "avatar"),
        ("D-ID (product avatar, idle)", "avatar"),
    ],
)
def test_families_of_methods(method, kind):
    assert family(method) == kind
    picture = kind in ("text to video", "gan", "text to image")
    whole = picture or kind in ("talking head", "avatar")
    assert questions(method)[0] is (Question.SYNTHESIS if whole else Question.MANIPULATION)
    assert (Question.PICTURE in questions(method)) is picture


@pytest.fixture(scope="module")
def labeled(tmp_path_factory, astronaut):
    """Two pictures, two clips, and two files that are no picture."""
    folder = tmp_path_factory.mktemp("labeled")
    rows = [["file", "label", "group", "source", "method"]]
    for number, (label, sigma) in enumerate((("real", 0.0), ("fake", 1.2))):
        picture = cv2.GaussianBlur(astronaut, (0, 0), sigma) if sigma else astronaut
        cv2.imwrite(str(folder / f"{label}.png"), picture[..., ::-1])
        write_clip(folder / f"{label}.mp4", seconds=1, fps=10, size=(320, 240))
        rows.append([f"{label}.png", label, "one", "made", "face swap" if number else "none"])
        rows.append([f"{label}.mp4", label, "one", "made", "face swap" if number else "none"])
    (folder / "text.png").write_text("no picture")
    rows.append(["text.png", "real", "two", "made", "none"])
    (folder / "page.png").write_text("<html>")
    rows.append(["page.png", "fake", "three", "made", "SadTalker"])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "labels.csv"


def test_evaluate_from_the_shell(labeled, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--frames", "3", "--models", "texture", "--conditions", "jpeg-30,crf-40"]
    assert main(["evaluate", str(labeled), "--out", str(out), *options]) == 0
    said = capsys.readouterr()
    assert said.out.split() == [
        str(out / name)
        for name in (
            "report.json", "report.md", "figures.csv", "reliability-video.svg", "risk-video.svg",
            "reliability-image.svg", "risk-image.svg", "report.pdf",
        )
    ]  # fmt: skip
    # 2 clips as they are, as JPEG and as h264; 4 pictures as they are and as JPEG.
    assert "14 of 14 scored" in said.err
    made = Report.model_validate_json((out / "report.json").read_text())
    clips, pictures = made.kinds
    assert (clips.kind, clips.files, pictures.kind, pictures.files) == ("video", 2, "image", 4)
    assert set(pictures.not_judged) == {"text.png", "page.png"}
    assert pictures.combined.count("judged") == 2
    tried = [[row.name for row in kind.table("condition")] for kind in made.kinds]
    assert tried == [["none", "jpeg-30", "crf-40"], ["none", "jpeg-30"]]
    lines = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert len(lines) == 14


def test_an_evaluation_is_a_run_for_mlflow_where_one_is_asked_for(labeled, tmp_path, capsys):
    options = ["evaluate", str(labeled), "--models", "texture", "--frames", "3", "--kind", "image"]
    assert main(options) == 0
    assert main([*options, "--runs", str(tmp_path / "runs")]) == 0
    ((run,),) = [[*home.glob("*/")] for home in (tmp_path / "runs").iterdir()]
    assert json.loads((run.parent / "meta.yaml").read_text())["name"] == "unmask evaluate"
    command = (run / "tags" / "mlflow.source.name").read_text()
    assert command.startswith(f"unmask evaluate {labeled} --models texture")
    assert (run / "params" / "frames").read_text() == "3"
    (made,) = runs.reports(tmp_path / "runs")
    assert (run / "params" / "sha256.texture").read_text() == made.weights["texture"]
    figures = {p.name: float(p.read_text().split()[1]) for p in (run / "metrics").iterdir()}
    answer = made.kinds[0].combined
    alarms = answer["originals called FAKE"].count
    assert figures["image.accuracy"] == (answer["fakes called FAKE"].count + 2 - alarms) / 4
    assert figures["image.specificity"] == 1 - alarms / 2
    assert figures["image.auc_low"] <= figures["image.auc"] <= figures["image.auc_high"]
    assert {"image.f1", "image.ece", "image.texture.auc"} <= set(figures)


def real_picture(labeled):
    return [item(str(labeled.parent / "real.png"), 0, "one", kind="image")]


def test_a_stopped_run_goes_on(labeled, tmp_path, monkeypatch):
    items = [
        item(str(labeled.parent / name), i % 2, "one", kind="image")
        for i, name in enumerate(("real.png", "fake.png"))
    ]
    store = tmp_path / "scores.jsonl"
    first = score_files(items[:1], models=["texture"], scoring=Scoring(store=store))
    # Killed while it wrote the second line.
    with store.open("a") as stream:
        stream.write('{"name": "fake')
    done: list[str] = []
    real = scores._analyze

    def watch(item, *rest):
        done.append(item.file.name)
        return real(item, *rest)

    monkeypatch.setattr(scores, "_analyze", watch)
    both = score_files(items, models=["texture"], scoring=Scoring(store=store))
    assert done == ["fake.png"]
    assert both[0].highest == first[0].highest
    assert both[0].probability == first[0].probability
    again = score_files(items, models=["texture"], scoring=Scoring(store=store))
    assert done == ["fake.png"]
    assert [s.highest for s in again] == [s.highest for s in both]
    # What was kept does not hold for other models, other frames, another condition, another file.
    score_files(items, models=["videomae"], scoring=Scoring(store=store))
    score_files(items, models=["texture"], scoring=Scoring(frames=5, store=store))
    score_files(
        items, models=["texture"], condition=Condition("blur", 1), scoring=Scoring(store=store)
    )
    assert done[1:] == ["real.png", "fake.png"] * 3
    changed = labeled.parent / "fake.png"
    before = changed.read_bytes()
    try:
        changed.write_bytes(before + b"\0")
        score_files(items, models=["texture"], scoring=Scoring(frames=5, store=store))
    finally:
        changed.write_bytes(before)
    assert done[7:] == ["fake.png"]


def changeable(id, monkeypatch):
    """A model's entry in a manifest of this test's own."""
    known = registry.manifest().model_copy(deep=True)
    monkeypatch.setattr(registry, "manifest", lambda: known)
    return next(spec for spec in known.models if spec.id == id)


def test_a_new_calibration_needs_no_network(labeled, tmp_path, monkeypatch):
    items, store = real_picture(labeled), tmp_path / "scores.jsonl"
    (before,) = score_files(items, models=["texture"], scoring=Scoring(store=store))
    spec = changeable("texture", monkeypatch)
    assert spec.calibration is not None and before.probability is not None
    spec.calibration = spec.calibration.model_copy(update={"offset": 5.0})
    monkeypatch.setattr(scores, "_analyze", None)
    (after,) = score_files(items, models=["texture"], scoring=Scoring(store=store))
    assert after.highest == before.highest
    assert after.probability > before.probability


def test_faces_cut_otherwise_are_scored_anew(labeled, tmp_path, monkeypatch):
    items, store = real_picture(labeled), tmp_path / "scores.jsonl"
    (before,) = score_files(items, models=["texture"], scoring=Scoring(store=store))
    spec = changeable("texture", monkeypatch)
    spec.crop = spec.crop.model_copy(update={"scale": 1.3 * spec.crop.scale})
    (after,) = score_files(items, models=["texture"], scoring=Scoring(store=store))
    assert after.highest != before.highest


def test_other_models_are_scored_and_not_counted(labeled):
    items = real_picture(labeled)
    (alone,) = score_files(items, models=["texture"])
    (beside,) = score_files(items, models=["texture"], also=["clip"])
    assert beside.probability == alone.probability
    assert set(beside.highest) == {"texture", "clip"}


def test_our_own_failure_is_not_kept(labeled, tmp_path, monkeypatch):
    """MesoNet's weights are not here: beside others it is silent, deciding it ends the run."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    items, store = real_picture(labeled), tmp_path / "scores.jsonl"
    with pytest.raises(ModelError, match="Meso4"):
        score_files(items, models=["meso4-df"], scoring=Scoring(store=store))
    assert not store.exists()
    (beside,) = score_files(
        items, models=["texture"], also=["meso4-df"], scoring=Scoring(store=store)
    )
    assert set(beside.highest) == {"texture"}
    with pytest.raises(ModelError, match="Meso4"):
        score_files(items, models=["meso4-df"], scoring=Scoring(store=store))


def test_files_are_chosen_by_their_names(tmp_path):
    labels = tmp_path / "labels.csv"
    names = [f"{who}-{label}" for who in "ab" for label in ("real", "fake")]
    rows = [f"{name}.png,{name.partition('-')[2]},image" for name in names]
    labels.write_text("\n".join(["file,label,kind", *rows]) + "\n")
    for name in names:
        (tmp_path / f"{name}.png").touch()
    chosen = FileSelection(match="a-").of(labels)
    assert [item.name for item in chosen] == ["a-real.png", "a-fake.png"]


def test_what_can_not_be_evaluated_is_said(labeled, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "labels.csv").write_text("file,label\nx.png,real\n")
    with pytest.raises(InputError, match="which is not there"):
        evaluate.evaluate(tmp_path / "labels.csv")
    (tmp_path / "x.png").touch()
    with pytest.raises(InputError, match="both originals and fakes"):
        evaluate.evaluate(tmp_path / "labels.csv")
    (tmp_path / "store").write_text("not json\n")
    items = [item("x.png", 0, "g", kind="image")]
    with pytest.raises(InputError, match="no store"):
        score_files(items, models=["texture"], scoring=Scoring(store=tmp_path / "store"))
    with pytest.raises(UsageError, match="not on this computer"):
        evaluate.published("meso4-df", [])
    here, missing = evaluate.published("all", ["texture"])
    assert here == [] and "meso4-df" in missing and "videomae" not in missing


def test_the_first_file_that_is_missing_ends_it(tmp_path, monkeypatch):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,kind\nb.mp4,real,video\n" + "a.png,real,image\n" * 50_000)
    read = []
    row = csv.DictReader.__next__
    monkeypatch.setattr(csv.DictReader, "__next__", lambda self: read.append(1) or row(self))
    with pytest.raises(InputError, match=r"lists a\.png, which is not there"):
        FileSelection(kind="image").of(labels)
    assert len(read) == 2, "b.mp4 was not asked for"


def pictures(*names):
    """A ZIP of pictures without a face."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1])
    return packed.getvalue()


@pytest.mark.parametrize("listed", [False, True])
def test_a_zip_is_evaluated_as_a_csv_is(listed, tmp_path, monkeypatch, capsys):
    names = ["set/a.png", "set/b.png"] if listed else ["set/real/a.png", "set/fake/b.png"]
    path = tmp_path / "set.zip"
    path.write_bytes(pictures(*names, "set/notes.txt"))
    if listed:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("set/labels.csv", "file,label\na.png,real\nb.png,fake\nc.png,fake\n")
    there: list[bool] = []

    def score(items, **_):
        there.extend(item.file.is_file() for item in items)
        return [scored(item.name, item.label, float(item.label)) for item in items]

    monkeypatch.setattr(scores, "score_files", score)
    out = tmp_path / "report.json"
    assert main(["evaluate", str(path), "--models", "texture", "--json", str(out)]) == 0
    made = json.loads(out.read_text())
    assert there == [True, True] and made["labels"] == str(path)
    left_out = "left out c.png: not brought" if listed else "left out set/notes.txt: no folder"
    assert left_out in capsys.readouterr().err


def test_a_damaged_or_missing_zip_is_refused(tmp_path, capsys):
    """What else is refused in one: `labelled_sets` in test_evaluate_page.py."""
    path = tmp_path / "set.zip"
    assert main(["evaluate", str(path)]) == 2
    assert "no such file" in capsys.readouterr().err
    path.write_bytes(b"no archive")
    assert main(["evaluate", str(path)]) == 2
    assert "damaged" in capsys.readouterr().err and list(tmp_path.iterdir()) == [path]


def test_recordings_are_sounds_and_not_clips(tmp_path):
    rows = ["file,label"]
    for number, label in enumerate(("real", "fake") * 2):
        voice = speech.speech(5, pitch=110 + 30 * number, seed=number)
        speech.write(tmp_path / f"{number}.wav", voice)
        rows.append(f"{number}.wav,{label}")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    assert {item.kind for item in read_labels(labels)} == {"audio"}
    tried = (*ALL[:3], Condition("mp3", 32))
    made = evaluate.evaluate(labels, selection=FileSelection(kind="audio"), conditions=tried)
    (sounds,) = made.kinds
    assert (sounds.kind, sounds.files) == ("audio", 4)
    (_, worse) = sounds.table("condition")  # JPEG is for pictures
    assert (worse.name, worse.title) == ("mp3-32", "MP3 at 32 kbit/s")
    assert [model.name for model in sounds.table("model")] == ["ensemble", "timbre"]
    assert all(model.count("judged") == 4 for model in sounds.table("model"))
    written = tables.to_markdown(made)
    assert "## Sounds" in written and "Clips" not in written
    assert "Sounds: 4" in reliability_svg(sounds)
