"""Calibration on data with a known answer: simulated logits, whose true odds are known."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from detector import paths
from detector.decision import material as fusion_material
from detector.decision import numbers
from detector.decision.material import Material
from detector.decision.numbers import CAUSES
from detector.errors import InputError
from detector.evaluation import fitting, manifest, metrics, operating_points
from detector.evaluation.calibration import fit_clips
from detector.evaluation.ensemble_fit import Clip, ScoredPerson
from detector.evaluation.operating_points import FAKE, INCONCLUSIVE, REAL, HeldOutScores
from detector.models.registry import Manifest
from detector.schema.analysis import Question, UncertaintyRates

GOOD = Material(width=300, sharpness=300, compression=4.0, frames=32)
FACE, WHOLE, VOICE = Question.MANIPULATION, Question.SYNTHESIS, Question.VOICE


def gauss(rng, labels, d):
    """Honest logits: two normals d apart with spread d; log odds equal the value itself."""
    return rng.normal(0, d, len(labels)) + np.where(labels == 1, d * d / 2, -d * d / 2)


def test_platt_finds_the_true_map():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    honest = gauss(rng, labels, 1.5)
    scale, offset = fitting.platt((honest + 3) / 0.4, labels)
    recovered = scale * (honest + 3) / 0.4 + offset
    assert np.abs(recovered - honest).mean() < 0.15


def test_platt_weighs_originals_and_fakes_alike():
    rng = np.random.default_rng(1)
    labels = (rng.random(6000) < 0.1).astype(int)
    honest = gauss(rng, labels, 1.5)
    scale, offset = fitting.platt(honest, labels)
    assert scale == pytest.approx(1.0, abs=0.1) and offset == pytest.approx(0.0, abs=0.15)
    with pytest.raises(InputError):
        fitting.platt(honest, np.ones(6000))


def test_evidence_leaves_out_a_model_that_knows_nothing_and_turns_none_round():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 200)
    useful = gauss(rng, labels, 2.0)
    weights, start = fitting.fit_evidence(
        np.stack([useful, rng.normal(0, 1, 400), -gauss(rng, labels, 2.0)], 1), labels
    )
    assert weights[0] == pytest.approx(1.0, abs=0.25)
    assert abs(weights[1]) < 0.25 and weights[2] == 0.0 and abs(start) < 0.2


def test_two_models_that_agree_are_surer_than_each_and_twins_are_not():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 1500)
    one, two = gauss(rng, labels, 1.5), gauss(rng, labels, 1.5)
    apart, _ = fitting.fit_evidence(np.stack([one, two], 1), labels)
    assert apart == pytest.approx([1.0, 1.0], abs=0.15)  # independent evidence adds up
    twins, _ = fitting.fit_evidence(np.stack([one, one], 1), labels)
    assert twins.sum() == pytest.approx(1.0, abs=0.1)  # the same said twice counts once
    together = fitting.cross_entropy(one * apart[0] + two * apart[1], labels)
    assert together < fitting.cross_entropy(one, labels)


def test_doubt_is_found_where_scores_are_noisier_and_nowhere_else():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 3000)
    honest = gauss(rng, labels, 2.0)
    amounts = np.zeros((3000, len(CAUSES)))
    amounts[:, 0] = rng.choice([0.0, 2.0], 3000)  # small faces: noise of variance 9
    amounts[:, 1] = rng.choice([0.0, 2.0], 3000)  # soft faces: none
    noisy = honest + rng.normal(0, 3.0, 3000) * (amounts[:, 0] > 0)
    final = fitting.fit_final(noisy, labels, amounts)
    size, sharpness = final.variances[0], final.variances[1]
    assert size > 1.0 and sharpness < 0.3
    held = final.apply(noisy, amounts)
    plain = fitting.fit_final(noisy, labels, 0 * amounts)
    assert plain.variances == (0.0,) * len(CAUSES)
    assert fitting.cross_entropy(held, labels) < fitting.cross_entropy(
        plain.apply(noisy, amounts), labels
    )
    poor = amounts[:, 0] > 0
    # The surer a doubted score still is, the more it must be right: the error of calibration falls.
    errors = [
        metrics.calibration_error(expit(f.apply(noisy, amounts))[poor], labels[poor])
        for f in (plain, final)
    ]
    assert errors[1] < errors[0] / 2


def test_few_frames_are_learned_from_short_versions():
    rng = np.random.default_rng(3)
    made = []
    for clip in clips(rng, 160):
        few = {id: x + rng.normal(0, 8) for id, x in clip.people[0].logits.items()}
        short = ScoredPerson(few, replace(GOOD, frames=2))
        made.append(replace(clip, worse=(short,)))
    asked = {FACE: ["clip"]}
    found = fit_clips(made, asked, "made")
    assert found.ensembles[FACE].uncertainty.frames > 0.3
    assert found.ensembles[FACE].uncertainty.size == 0.0
    assert found.reports[0].doubt_gains > 0.01
    # Versions that are no worse teach no doubt.
    same = [replace(c, worse=(replace(c.people[0], material=c.worse[0].material),)) for c in made]
    assert fit_clips(same, asked, "made").ensembles[FACE].uncertainty.frames == 0.0


def test_without_doubt_worse_versions_leave_the_map_as_it_is():
    rng = np.random.default_rng(4)
    made = []
    for clip in clips(rng, 160):
        weaker = {id: x / 2 for id, x in clip.people[0].logits.items()}
        made.append(replace(clip, worse=(ScoredPerson(weaker, replace(GOOD, frames=2)),)))
    asked = {FACE: ["clip"]}
    found = fit_clips(made, asked, "made").ensembles[FACE]
    assert found.uncertainty == UncertaintyRates()
    assert found == fit_clips([replace(c, worse=()) for c in made], asked, "made").ensembles[FACE]


def test_doubt_takes_certainty_and_never_turns_a_score_round():
    poor = Material(width=70, sharpness=20, compression=0.3, frames=4)
    doubt = UncertaintyRates(size=1.0, sharpness=0.5, compression=0.5, frames=0.2, disagreement=1.0)
    parts = fusion_material.variance_terms(doubt, poor, {"a": 2.0, "b": -2.0}, {"a": 1.0, "b": 1.0})
    assert set(parts) == set(CAUSES) and parts["disagreement"] == pytest.approx(4.0)
    assert fusion_material.variance_terms(doubt, GOOD, {"a": 2.0}, {"a": 1.0}) == {}
    for logit in (-3.0, -0.1, 0.0, 2.0):
        held = numbers.probit_shrink(logit, sum(parts.values()))
        assert abs(held) <= abs(logit) and held * logit >= 0


@pytest.mark.parametrize("d", [0.7, 1.5, 2.5, 4.0])
def test_false_alarms_do_not_grow_with_people(d):
    """A threshold set at 5 % for one person keeps it for up to six, however alike their scores."""
    rng = np.random.default_rng(0)
    threshold = 1.645 * d - d * d / 2
    caution = fitting.fit_penalty(rng.normal(-d * d / 2, d, 400), threshold)
    for people in (1, 2, 6):
        for alike in (0.0, 0.5, 1.0):
            common, own = rng.normal(size=(3000, 1)), rng.normal(size=(3000, people))
            logits = d * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own) - d * d / 2
            pooled = np.array([numbers.pooled(row, caution) for row in logits])
            rate = float((pooled > threshold).mean())
            assert rate <= 0.065, (people, alike)
            if people == 1:
                assert rate == pytest.approx(0.05, abs=0.015)
            elif people == 6 and alike == 0.0:  # what the highest score would do
                assert (logits.max(1) > threshold).mean() > 0.25


def test_pooled_odds_are_the_true_ones():
    """One of four is manipulated in half of the clips: among clips of about 80 %, 80 % are."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000)
    people = np.zeros((20_000, 4), int)
    people[np.arange(20_000), rng.integers(0, 4, 20_000)] = labels
    logits = rng.normal(0, 2, people.shape) + np.where(people == 1, 2.0, -2.0)
    p = expit(np.array([numbers.pooled(row) for row in logits]))
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = (p >= low) & (p < low + 0.2)
        assert labels[inside].mean() == pytest.approx(p[inside].mean(), abs=0.03)


def scores_of(labels, names, *logits):
    """Logits of a first and perhaps a second question, to both of which the labels answer."""
    given = dict(zip((FACE, WHOLE), logits, strict=False))
    return HeldOutScores(given, labels, dict.fromkeys(given, labels == 1), names)


def held(rng, sources, each, d, shift):
    """Clips of several sources; each source moves all its scores by a shift of its own."""
    names = np.repeat([f"s{i}" for i in range(sources)], each)
    labels = np.tile([0, 1], len(names) // 2)
    moved = np.repeat(rng.normal(0, shift, sources), each)
    logits = gauss(rng, labels, d) + moved
    return scores_of(labels, names, logits)


def test_promises_are_kept_on_new_sources():
    alarms, right, decided = [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        made = operating_points.operate(held(rng, 12, 12, 3.0, 0.5))
        new = held(rng, 40, 12, 3.0, 0.5)
        found = operating_points.rates(
            operating_points.decisions(new.logits, made.limits), new.labels
        )
        alarms.append(found.alarms)
        right.append(found.right)
        decided.append(found.decided)
    assert np.mean(alarms) <= 0.05
    assert np.mean(right) >= 0.95
    assert np.mean(decided) > 0.5


def test_with_weak_scores_few_are_decided_rather_than_many_wrongly():
    rng = np.random.default_rng(0)
    weak = operating_points.operate(held(rng, 12, 20, 1.0, 0.0))
    strong = operating_points.operate(held(rng, 12, 20, 4.0, 0.0))
    new = held(rng, 40, 50, 1.0, 0.0)
    found = operating_points.rates(operating_points.decisions(new.logits, weak.limits), new.labels)
    assert found.alarms <= 0.06 and found.decided < 0.5
    assert strong.targets_met and strong.elsewhere.decided > 0.9


def test_two_questions_share_the_promise():
    """Either may call a file manipulated, so together they must not do it more often."""
    labels = np.tile([0, 0, 1, 1], 60)
    about = {FACE: np.tile([0, 0, 1, 0], 60) == 1, WHOLE: np.tile([0, 0, 0, 1], 60) == 1}
    names = np.repeat([f"s{i}" for i in range(12)], 20)
    alarms = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        logits = {q: gauss(rng, about[q].astype(int), 3.0) for q in about}
        made = operating_points.operate(HeldOutScores(logits, labels, about, names))
        new = {q: gauss(rng, np.zeros(4000, int), 3.0) for q in about}
        alarms.append((operating_points.decisions(new, made.limits) == FAKE).mean())
    assert np.mean(alarms) <= 0.05


def test_each_question_may_be_wrong_about_the_next_clip():
    """Fifty originals allow one above a limit at 5 %."""
    labels = np.repeat([0, 1], 50)
    names = np.full(100, "s")
    scores = np.concatenate([np.linspace(1, 0, 50), np.full(50, 2.0)])
    other = np.concatenate([[1.0], np.linspace(0, 0.5, 49), np.full(50, 2.0)])
    one, two = scores_of(labels, names, scores), scores_of(labels, names, scores, other)
    assert operating_points.by_alarms(one)[FACE][1] < 1
    assert all(high > 1 for _, high in operating_points.by_alarms(two).values())
    assert operating_points.by_alarms(two, operating_points.ErrorTargets(rate=0.06))[FACE][1] < 1


def test_where_the_second_promise_cannot_be_kept_nothing_is_called_untouched():
    weak = operating_points.operate(held(np.random.default_rng(0), 12, 20, 0.4, 0.5))
    assert not weak.targets_met and weak.limits[FACE][0] == -np.inf
    assert weak.elsewhere.alarms <= 0.05 and weak.elsewhere.missed == 0.0


def test_no_sign_needs_every_question():
    said = operating_points.decisions(
        {
            FACE: np.array([-2.0, -2.0, -2.0, np.nan, 2.0]),
            WHOLE: np.array([-2.0, 0.0, 2.0, -2.0, np.nan]),
        },
        {FACE: (-1.0, 1.0), WHOLE: (-1.0, 1.0)},
    )
    assert said.tolist() == [REAL, INCONCLUSIVE, FAKE, INCONCLUSIVE, FAKE]


def test_too_few_originals_call_nothing_manipulated():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 15 + [1] * 15)
    few = scores_of(labels, labels.astype(str), gauss(rng, labels, 5.0))
    assert operating_points.by_alarms(few)[FACE][1] == np.inf


def clips(rng, count=160):
    """Two models of fake faces of any kind (one knows nothing) and one of generated heads."""
    out = []
    for i in range(count):
        question = (None, FACE, None, WHOLE)[i % 4]
        face = rng.normal(-5.0 if question is None else 5.0, 2.2)
        whole = rng.normal(5.0 if question is WHOLE else -5.0, 2.2)
        logits = {"clip": 0.3 * face + 1, "texture": rng.normal(), "clip-generated": 2.0 * whole}
        person = ScoredPerson(logits, GOOD)
        out.append(Clip(int(question is not None), f"s{i // 4 % 8}", question, (person,)))
    return out


def test_both_questions_are_calibrated_and_written_into_the_manifest():
    made = fit_clips(
        clips(np.random.default_rng(0)),
        {FACE: ["clip", "texture"], WHOLE: ["clip-generated"]},
        'clips "held out"',
    )
    assert set(made.ensembles) == {FACE, WHOLE}
    adds = {id: made.weights[id] * made.models[id].scale for id in ("clip", "texture")}
    assert adds["clip"] > 5 * abs(adds["texture"])
    assert made.summary.alarms <= 0.05 and made.summary.right >= 0.9
    assert made.summary.auc > 0.9 and made.summary.risk["20%"] <= made.summary.risk["100%"]
    text = (paths.bundled() / "manifest.toml").read_text(encoding="utf-8")
    before = Manifest.model_validate(tomllib.loads(text))
    written = manifest.updated(text, made)
    after = Manifest.model_validate(tomllib.loads(written))
    assert after.ensembles[FACE].thresholds.data.startswith('clips "held out"')
    assert after.ensembles[WHOLE].models == ["clip-generated"]
    assert after.ensembles[VOICE] == before.ensembles[VOICE]  # nobody asked about it
    for question, ensemble in made.ensembles.items():
        limits = after.ensembles[question].thresholds
        assert limits == ensemble.thresholds and limits.false_positives is not None
        share = limits.false_positives.count / limits.false_positives.files
        assert limits.false_positive_rate == pytest.approx(share, abs=1e-4)
        assert after.ensembles[question].odds == ensemble.odds != []
        assert after.ensembles[question].auc == ensemble.auc
    for old, new in zip(before.models, after.models, strict=True):
        fresh = {"calibration", "weight", "default"}
        assert old.model_dump(exclude=fresh) == new.model_dump(exclude=fresh)
        if new.id == "clip":
            assert new.calibration.data == 'clips "held out"'
            assert new.default
    # Comments survive, and writing twice is writing once.
    assert written.count("#") >= text.count("#") - 12
    assert manifest.updated(written, made) == written


def test_one_question_alone_can_be_calibrated_and_needs_its_fakes():
    made = clips(np.random.default_rng(1))
    alone = fit_clips(made, {FACE: ["clip"]}, "made")
    assert set(alone.ensembles) == {FACE}
    assert alone.reports[0].fakes == 80, "generated heads are fake faces too"
    with pytest.raises(InputError, match="synthesis"):
        fit_clips([c for c in made if c.question is not WHOLE], {WHOLE: ["clip-generated"]}, "made")


def test_a_model_that_could_not_look_at_every_clip_adds_where_it_could():
    made = clips(np.random.default_rng(2))
    some = [
        replace(c, people=(replace(c.people[0], logits={"clip": c.people[0].logits["clip"]}),))
        if n % 3
        else c
        for n, c in enumerate(made)
    ]
    found = fit_clips(some, {FACE: ["clip", "texture"]}, "made")
    assert found.ensembles[FACE].models[0] == "clip" and found.reports[0].auc > 0.9


def test_odds_are_the_share_of_fakes_near_a_score_with_an_interval_over_sources():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 400)
    honest = gauss(rng, labels, 1.5)
    sources = np.repeat([f"s{i}" for i in range(40)], 20)
    table = fitting.odds_table(honest, labels, sources)
    assert [p.logit for p in table] == sorted(p.logit for p in table)
    assert [p.share for p in table] == sorted(p.share for p in table)  # more evidence, more fakes
    for point in table:
        assert point.low <= point.share <= point.high
        assert point.share == pytest.approx(numbers.sigmoid(point.logit), abs=0.12)
    # A source that shifts all its scores makes the interval wider, for it is resampled as a whole.
    moved = honest + np.repeat(rng.normal(0, 2, 40), 20)
    wide = [p.high - p.low for p in fitting.odds_table(moved, labels, sources)]
    assert np.mean(wide) > np.mean([p.high - p.low for p in table])
    # As many manipulated as untouched, whatever was collected.
    few = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[::5]])
    rare = fitting.odds_table(honest[few], labels[few], sources[few])
    assert rare[5].share == pytest.approx(numbers.sigmoid(rare[5].logit), abs=0.2)


def test_odds_of_too_few_clips_are_not_given():
    x = np.linspace(-1, 1, 40)
    assert fitting.odds_table(x, (x > 0).astype(int), np.full(40, "s")) == []
    assert fitting.odds_table(np.zeros(100), np.ones(100, int), np.full(100, "s")) == []
