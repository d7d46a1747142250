"""Calibration on data with a known answer: simulated logits, whose true odds are known."""

import csv
import tomllib

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from detector import paths
from detector.decision import numbers
from detector.errors import InputError
from detector.evaluation import labels
from detector.models.registry import Manifest
from detector.schema.analysis import FileKind, Label, Question
from lab.evaluation import bands, fitting, left_out, manifest
from lab.evaluation.calibration import fit_people
from lab.evaluation.ensemble_fit import EnsembleFit, covered

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


@pytest.mark.parametrize("files", [40, 900])
def test_platt_ends_where_no_other_map_fits_better_also_for_a_model_that_knows_nothing(files):
    rng = np.random.default_rng(2)
    labels, x = np.arange(files) % 2, rng.normal(0, 30, files)
    scale, offset = fitting.platt(x, labels)

    def loss(log_scale, offset):
        logits = np.exp(log_scale) * x + offset
        value, _slope = fitting.weighted_loss(logits, fitting.softened(labels), np.ones(files))
        return value + fitting.PRIOR * (log_scale + np.log(x.std())) ** 2 / 2

    best = loss(np.log(scale), offset)
    for step in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)):
        assert loss(np.log(scale) + step[0], offset + step[1]) > best


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
    sign = 1 - 2 * labels
    both = one * apart[0] + two * apart[1]
    assert np.logaddexp(0, both * sign).mean() < np.logaddexp(0, one * sign).mean()


@pytest.mark.parametrize("d", [1.5, 2.5, 4.0])
def test_false_alarms_do_not_grow_with_people(d):
    """A limit that 2 % of single people pass is passed by as few files of up to six."""
    rng = np.random.default_rng(0)
    high = 2.054 * d - d * d / 2
    rise = bands.tail_slope(rng.normal(-d * d / 2, d, 600))
    for people in (1, 2, 6):
        logits = logsumexp(rng.normal(-d * d / 2, d, (20_000, people)), axis=1)
        assert (logits - rise * np.log(people) > high).mean() <= 0.024, people
        if people == 6:  # what the sum of their odds would do
            assert (logits > high).mean() > 0.1


def of_sources(rng, sources, each, d, shift):
    """Files of several sources; each source moves all its scores by a shift of its own."""
    names = np.repeat([f"s{i}" for i in range(sources)], each)
    labels = np.tile([0, 1], len(names) // 2)
    moved = np.repeat(rng.normal(0, shift, sources), each)
    rows = pd.DataFrame({"label": labels, "source": names, "set": np.where(moved > 0, "a", "b")})
    return rows.assign(logit=gauss(rng, labels, d) + moved)


def fit(rows):
    logits = rows["logit"].to_numpy()
    sets = {name: (rows["set"] == name).to_numpy() for name in rows["set"].unique()}
    return bands.fit(rows, logits, logits, sets)


def given(made, new):
    return bands.rates(bands.answers(new["logit"].to_numpy(), made), new)


def test_promises_are_kept_on_new_sources():
    right = {label: [] for label in Label}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        made = fit(of_sources(rng, 60, 12, 2.0, 0.5)).limits
        for band in given(made, of_sources(rng, 100, 12, 2.0, 0.5)):
            right[band.label].append(band.right)
    for label, promise in ((Label.FAKE, 0.95), (Label.PROBABLY_FAKE, 0.82),
                           (Label.PROBABLY_REAL, 0.82), (Label.REAL, 0.95)):  # fmt: skip
        assert right[label] and np.mean(right[label]) >= promise - 0.03, label
    assert len(right[Label.FAKE]) == len(right[Label.REAL]) == 8


def test_what_to_expect_is_what_new_sources_show():
    rng = np.random.default_rng(1)
    made = fit(of_sources(rng, 80, 12, 2.0, 0.5))
    found = {b.label: b for b in given(made.limits, of_sources(rng, 400, 12, 2.0, 0.5))}
    assert {band.label for band in made.rates} == found.keys()
    for band in made.rates:
        assert band.right == pytest.approx(found[band.label].right, abs=0.08)


def test_a_band_that_no_limit_gives_is_left_out():
    rng = np.random.default_rng(0)
    weak = fit(of_sources(rng, 40, 12, 0.5, 0.3)).limits
    assert (weak.low, weak.high) == (-np.inf, np.inf)
    few = fit(of_sources(rng, 4, 8, 5.0, 0.0)).limits
    assert few.high == np.inf, "sixteen genuine files can't show 95 %"
    strong = fit(of_sources(rng, 40, 12, 4.0, 0.0)).limits
    assert -20 < strong.low < strong.high < 20
    stated = bands.thresholds(weak, [], np.linspace(-1, 1, 20), np.tile([0, 1], 10), "made")
    assert stated.high == 1.0 and stated.low == 0.0


def test_a_promise_is_kept_in_each_set_that_is_large_enough_to_say():
    """A kind of footage whose genuine files score high takes no band that only the rest keeps."""
    rng = np.random.default_rng(5)
    rows = of_sources(rng, 80, 12, 3.0, 0.0).assign(set="usual")
    odd = of_sources(rng, 20, 12, 3.0, 0.0).assign(set="odd")
    odd["source"] = "o" + odd["source"]
    odd.loc[odd["label"] == 0, "logit"] += 5.0
    usual = fit(rows).limits
    both = pd.concat([rows, odd], ignore_index=True)
    limits = fit(both).limits
    assert limits.probably_high > usual.probably_high + 1
    own = both[both["set"] == "odd"].reset_index(drop=True)
    said = bands.answers(own["logit"].to_numpy(), limits)
    for band in bands.rates(said, own, by_file=True):
        if (said == band.label).sum() >= bands.ANSWERS:
            assert band.right >= bands.SETS[band.label] - 0.005
    few = odd.iloc[:10].assign(set="few")
    pooled = fit(pd.concat([rows, few], ignore_index=True)).limits
    assert pooled.probably_high < limits.probably_high, "ten files can't say"


def test_answers_by_four_limits():
    said = bands.answers(np.array([-3.0, -1.5, 0.0, 1.5, 3.0]), bands.BandLimits(-2, -1, 1, 2))
    assert said.tolist() == [
        Label.REAL, Label.PROBABLY_REAL, Label.INCONCLUSIVE, Label.PROBABLY_FAKE, Label.FAKE,
    ]  # fmt: skip


def test_a_set_of_one_label_is_taken_with_all_files_of_the_other():
    labels = np.array([0, 0, 1, 1, 0])
    mask = np.array([True, False, False, False, True])
    assert bands.completed(mask, labels).tolist() == [True, False, True, True, True]
    both = np.array([True, False, True, False, False])
    assert bands.completed(both, labels).tolist() == both.tolist()


def test_each_source_counts_alike():
    """A page of a hundred clips is no better evidence than one of two."""
    labels = np.array([0] * 100 + [0] * 2 + [1] * 40)
    sources = np.array(["big"] * 100 + ["small"] * 2 + [f"f{i}" for i in range(40)])
    said = np.array([Label.INCONCLUSIVE] * 100 + [Label.FAKE] * 2 + [Label.FAKE] * 40, object)
    rows = pd.DataFrame({"label": labels, "source": sources})
    (fake,) = (r for r in bands.rates(said, rows) if r.label is Label.FAKE)
    assert fake.right == pytest.approx(0.5 / 0.75, abs=0.001)
    assert (fake.wrong.count, fake.wrong.files) == (2, 102)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Left-out scores of a made set, with pictures and a set that is held."""
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("scores") / "left_out.csv"
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(left_out.COLUMNS)
        for n in range(600):
            kind = "image" if n % 5 == 4 else "video"
            made = ("", "region", "", "whole")[n % 4]
            face, whole = (rng.normal(2.5 if on else -2.5, 2.0) for on in (made, made == "whole"))
            about = f"f{n}", "fake" if made else "real", f"s{n % 75}", kind, made
            where = ("held" if n % 75 < 15 else "known"), f"fold{n % 75 % 5}", "as it is"
            if kind == "video":
                rows.writerow([*about, *where, "clip", face])
                rows.writerow([*about, *where, "texture", rng.normal()])
            rows.writerow([*about, *where, "clip-generated", whole])
    return path


def test_a_table_of_scores_is_fitted_without_media_and_one_set_can_be_held(table):
    scores = left_out.read(table)
    made = left_out.calibrate(scores)
    assert set(made.ensembles) == {FACE, WHOLE}
    assert set(made.likelihoods) == {FileKind.CLIP}, "the face scored no picture"
    clip = made.likelihoods[FileKind.CLIP]
    assert clip.weights == {FACE: 1.0, WHOLE: 1.0, Question.PICTURE: 0.0}
    assert "480 clips" in clip.thresholds.data
    assert set(made.sets[FileKind.CLIP]) == {"held", "known"}
    found = {band.label: band for band in left_out.held_out(scores, "held")[FileKind.CLIP]}
    assert found[Label.FAKE].right > 0.85
    held = scores["set"] == "held"
    real = scores[held & (scores["kind"] == "video") & (scores["label"] == 0)]
    assert found[Label.FAKE].wrong.files == real["file"].nunique()
    without = left_out.calibrate(scores[~held])
    assert "384 clips" in without.likelihoods[FileKind.CLIP].thresholds.data


def test_a_question_that_is_asked_of_pictures_alone_is_fitted_to_them(table, tmp_path):
    """Beside questions of clips, whose fit stays as it is."""
    text, rng = table.read_text(), np.random.default_rng(4)
    with (path := tmp_path / "left_out.csv").open("w") as stream:
        stream.write(text)
        for n in range(600, 720):
            score = rng.normal(2.5 if n % 2 else -2.5, 2.0)
            about = "fake" if n % 2 else "real", f"s{n % 75}", "image", "picture" if n % 2 else ""
            stream.write(f"f{n},{','.join(about)},known,fold{n % 5},as it is,m,{score}\n")
    both = left_out.calibrate(left_out.read(path), questions={"m": Question.PICTURE})
    fit = both.likelihoods[FileKind.PICTURE]
    assert "120 pictures" in fit.thresholds.data and fit.weights == {Question.PICTURE: 1.0}
    assert (fit.scale, fit.offset) == (1.0, 0.0), "a question alone is calibrated as it is"
    alone = left_out.calibrate(left_out.read(table))
    assert {q: e for q, e in both.ensembles.items() if q in alone.ensembles} == alone.ensembles


def test_each_model_of_a_table_gets_bands_of_its_own(table, tmp_path):
    fitted = left_out.alone(left_out.read(table), ["clip"])
    assert list(fitted) == ["clip"]
    manifest_file = tmp_path / "manifest.toml"
    text = (paths.bundled() / "manifest.toml").read_text(encoding="utf-8")
    manifest_file.write_text(text, encoding="utf-8")
    manifest.write_alone(fitted, manifest_file)
    written = manifest_file.read_text(encoding="utf-8")
    before, after = (
        {spec.id: spec for spec in Manifest.model_validate(tomllib.loads(one)).models}
        for one in (text, written)
    )
    alone = after["clip"].alone
    assert alone.models == ["clip"] and alone.auc.value > 0.9
    assert alone.thresholds.data.startswith("480 clips")
    assert {band.label for band in alone.thresholds.bands} >= {Label.FAKE, Label.REAL}
    assert after["clip"].calibration == before["clip"].calibration  # an ensemble counts on it
    assert {**after, "clip": None} == {**before, "clip": None}
    manifest.write_alone(fitted, manifest_file)
    assert manifest_file.read_text(encoding="utf-8") == written


def test_a_table_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("file,label\na,real\n")
    for name in ("a.csv", "gone.csv"):
        with pytest.raises(InputError, match="table of scores"):
            left_out.read(tmp_path / name)


def people(rng, count=160):
    """Two models of fake faces of any kind (one knows nothing) and one of generated heads."""
    rows = []
    for i in range(count):
        question = (None, FACE, None, WHOLE)[i % 4]
        face = rng.normal(-5.0 if question is None else 5.0, 2.2)
        whole = rng.normal(5.0 if question is WHOLE else -5.0, 2.2)
        logits = {"clip": 0.3 * face + 1, "texture": rng.normal(), "clip-generated": 2.0 * whole}
        source, about = f"s{i // 4 % 8}", (question,) if question else ()
        rows.append({"label": len(about), "source": source, "fold": source, "about": about})
        rows[-1] |= logits
    return pd.DataFrame(rows)


def test_both_questions_are_calibrated_and_written_into_the_manifest():
    made = fit_people(
        people(np.random.default_rng(0), 400),
        {FACE: ["clip", "texture"], WHOLE: ["clip-generated"]},
        'clips "held out"',
    )
    assert set(made.ensembles) == {FACE, WHOLE}
    adds = {id: made.weights[id] * made.models[id].scale for id in ("clip", "texture")}
    assert adds["clip"] > 5 * abs(adds["texture"])
    fake = next(band for band in made.bands[FileKind.CLIP] if band.label is Label.FAKE)
    assert fake.right >= 0.9 and fake.share > 0.5
    combined = made.kinds[FileKind.CLIP]
    assert combined["AUC"].value > 0.9
    assert combined["wrong, 20%"].value <= combined["wrong, 100%"].value
    text = (paths.bundled() / "manifest.toml").read_text(encoding="utf-8")
    before = Manifest.model_validate(tomllib.loads(text))
    written = manifest.updated(text, made)
    after = Manifest.model_validate(tomllib.loads(written))
    clip = after.likelihoods[FileKind.CLIP]
    assert clip.thresholds.data.startswith('clips "held out"')
    assert after.ensembles[WHOLE].models == ["clip-generated"]
    assert after.ensembles[VOICE] == before.ensembles[VOICE]  # nobody asked about it
    assert after.likelihoods[FileKind.SOUND] == before.likelihoods[FileKind.SOUND]
    limits, fitted = clip.thresholds, made.likelihoods[FileKind.CLIP]
    assert limits == fitted.thresholds and limits.false_positives is not None
    share = limits.false_positives.count / limits.false_positives.files
    assert limits.false_positive_rate == pytest.approx(share, abs=1e-4)
    assert clip.odds == fitted.odds != [] and clip.auc == fitted.auc
    assert clip.scale == pytest.approx(fitted.scale, rel=1e-4)
    for question, ensemble in made.ensembles.items():
        assert after.ensembles[question].auc == ensemble.auc
    for old, new in zip(before.models, after.models, strict=True):
        fresh = {"calibration", "weight"}
        assert old.model_dump(exclude=fresh) == new.model_dump(exclude=fresh)
        if new.id == "clip":
            assert new.calibration.data == 'clips "held out"'
    # Comments survive, and writing twice is writing once.
    assert written.count("#") >= text.count("#") - 12
    assert manifest.updated(written, made) == written


def test_one_question_alone_can_be_calibrated_and_needs_its_fakes():
    made = people(np.random.default_rng(1))
    alone = fit_people(made, {FACE: ["clip"]}, "made")
    assert set(alone.ensembles) == {FACE}
    assert alone[FACE].count("fakes") == 80, "generated heads are fake faces too"
    with pytest.raises(InputError, match="synthesis"):
        fit_people(made[made["about"] != (WHOLE,)], {WHOLE: ["clip-generated"]}, "made")


def test_a_model_that_could_not_look_at_every_clip_adds_where_it_could():
    made = people(np.random.default_rng(2))
    some = made.assign(texture=made["texture"].where(made.index % 3 == 0))
    found = fit_people(some, {FACE: ["clip", "texture"]}, "made")
    assert found.ensembles[FACE].models[0] == "clip" and found[FACE]["AUC"].value > 0.9


def test_a_file_is_as_suspicious_as_its_most_suspicious_person():
    made = people(np.random.default_rng(3))
    fit = EnsembleFit.of(made, ["clip"])
    crowd = pd.DataFrame({"clip": [-1.0, 4.0, 2.0, np.nan]}, index=[0, 0, 1, 2])
    first, second, nobody = fit.logits(crowd)
    alone = fit.logits(crowd.reset_index(drop=True))
    assert (first, second) == (alone[1], alone[2]) and np.isnan(nobody)


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


def test_a_generated_picture_is_a_fake_of_both_questions_that_ask_for_it():
    about = labels.questions("text-to-image")
    assert about == (WHOLE, Question.PICTURE)
    table = pd.DataFrame({"about": [about, ()]})
    for question in (FACE, WHOLE, Question.PICTURE):
        assert covered(table, question).tolist() == [True, True]
    assert covered(table, Question.VOICE).tolist() == [False, True], "genuine files are of all"
