"""The words of a report: likelihood, never fact."""

import shlex
from datetime import datetime, tzinfo

from babel.dates import format_datetime

from detector.decision.numbers import at_most, logit, printed, wilson
from detector.decision.reasons import why_unanswered
from detector.messages import measured, states
from detector.messages.format import capital, percent, signed, whole_percent
from detector.messages.lead import why_not
from detector.schema.analysis import (
    Analysis,
    Answer,
    Basis,
    Calibration,
    Label,
    ModelResult,
    Question,
    Side,
    Tally,
)
from detector.sentences import _, language, ngettext, say

GLYPHS: dict[Label, str] = {
    Label.FAKE: "▲",
    Label.PROBABLY_FAKE: "△",
    Label.INCONCLUSIVE: "?",
    Label.PROBABLY_REAL: "◌",
    Label.REAL: "○",
    Label.NOT_APPLICABLE: "–",
}


def answered(analysis: Analysis, question: Question, answer: Answer) -> str:
    """Return a question's answer in a table."""
    if not answer.evaluated:
        if code := why_unanswered(analysis, question):
            return _("Not judged: {why}").format(why=why_not()[code])
        return _("Not asked: no model for it")
    if answer.undecided_secondary:
        return _("Not decided")
    return states.headline(answer.label, question)


def bars(analysis: Analysis, answer: Answer) -> list[tuple[str, str, bool]]:
    """Return name, log odds and whether a model's of each part and the sum, adding up in print."""
    if answer.probability is None or not answer.contributions:
        return []
    titles = {m.id: m.plain or m.title for m in analysis.models}
    total = round(10 * logit(answer.probability))
    tenths = printed([part.logit for part in answer.contributions], total)
    rows = [
        (
            states.contribution(part.kind, part.id, titles.get(part.id, "")),
            signed(value / 10),
            part.kind == "model",
        )
        for part, value in zip(answer.contributions, tenths, strict=True)
        if value or part.kind == "model"
    ]
    combined = _("Combined, {percent}").format(percent=percent(answer.probability))
    return [*rows, (combined, signed(total / 10), False)]


def statistics(question: Question, answer: Answer, *, odds: bool = True) -> list[str]:
    """Return how often the thresholds erred, on what data, and how `odds` are made."""
    limits, out = answer.thresholds, []
    untouched, manipulated = say(question.spec.real_word), say(question.spec.fake_word)
    if answer.basis in (Basis.PUBLISHED, Basis.SUBSET, Basis.CUSTOM):
        out.append(_("Judged {basis}.").format(basis=states.basis(answer.basis)))
    elif limits.own and limits.false_positive_rate is not None:
        text = _(
            "At most {rate} of {kind} clips like yours score above the upper threshold, by {data}."
        )
        rate = percent(limits.false_positive_rate)
        out.append(text.format(rate=rate, kind=untouched, data=say(limits.data)))
    else:
        unit = measured.unit(limits)
        kind = _("{word} {unit}").format(word=untouched, unit=unit)
        figures = limits.false_positives, limits.false_positive_rate, kind
        out += _share(
            *figures,
            _("In our tests none of {files} {kind} scored above the upper threshold (at most "
              "{most}, with 95 % confidence)."),
            _("In our tests {count} of {files} {kind} scored above the upper threshold (at most "
              "{most}, with 95 % confidence)."),
            _("{rate} of {kind} score above the upper threshold."),
        )  # fmt: skip
        if limits.can_clear:
            kind = _("{word} {unit}").format(word=manipulated, unit=unit)
            figures = limits.false_negatives, limits.false_negative_rate, kind
            out += _share(
                *figures,
                _("In our tests none of {files} {kind} scored below the lower threshold (at most "
                  "{most}, with 95 % confidence)."),
                _("In our tests {count} of {files} {kind} scored below the lower threshold (at "
                  "most {most}, with 95 % confidence)."),
                _("{rate} of {kind} score below the lower threshold."),
            )  # fmt: skip
        if limits.data:
            out.append(_("Measured on {data}.").format(data=say(limits.data)))
        if some := measured.of_these(limits):
            out.append(some)
    if answer.auc is not None:
        percents = {name: whole_percent(value) for name, value in answer.auc}
        out.append(question.spec.auc.format(**percents))
    if limits.never_decide:
        out.append(
            _("No threshold made 95 % of the answers right on sources left out, so there is a "
              "likelihood and no verdict.")
        )  # fmt: skip
    elif not limits.can_clear and answer.basis is not Basis.PUBLISHED:
        out.append(
            _("We can't clear a file: the installed models aren't reliable enough to call it "
              "untouched. On sources left out, no lower threshold made 95 % of such answers right.")
        )  # fmt: skip
    if odds and answer.odds is not None:
        text = _(
            "The interval is of the {clips} clips with a score near this one, each scored by a fit "
            "that had seen nothing of its group of sources; the groups were drawn anew. It assumes "
            "as many {fakes} as {others} clips."
        )
        clips = answer.odds.clips
        out.append(text.format(clips=clips, fakes=manipulated, others=untouched))
    return out


def _share(
    tally: Tally | None, rate: float | None, kind: str, none: str, some: str, rated: str
) -> list[str]:
    """Return how many files of a kind lie where they should not; empty where it was not stated."""
    if tally is None:
        return [] if rate is None else [rated.format(rate=percent(rate), kind=kind)]
    most = percent(at_most(tally))
    text = some if tally.count else none
    return [text.format(count=tally.count, files=tally.files, kind=kind, most=most)]


def says(analysis: Analysis, model: ModelResult) -> str:
    """Return a model's reading, neutral where its question stays open."""
    if model.label is None:
        return ""
    if analysis.verdict.undecided(model.question):
        return f"{GLYPHS[Label.NOT_APPLICABLE]} {_('Not decided')}"
    return f"{GLYPHS[model.label]} {states.state(model.label, model.question)}"


def counted(analysis: Analysis, model: ModelResult) -> str:
    """Return whether a model counts, and if not, why."""
    if model.counted and analysis.verdict.uncounted(model.question):
        return _("no: its question is not decided")
    why = states.not_counted(model.not_counted_because)
    return _("yes") if model.counted else _("no: {why}").format(why=why)


def weights(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the hash of each model's weights; of two models of one file, that it is one."""
    rows, first = [], dict[str, ModelResult]()
    for model in analysis.models:
        if not model.scored or not model.weights_sha256:
            continue
        known = first.setdefault(model.weights_sha256, model)
        value = model.weights_sha256
        if known is not model:
            value = _("those of {model}: the same network").format(model=known.title)
            if model.question is not None and model.question is not known.question:
                text = _("those of {model}: the same network, asked “{question}”")
                asked = states.question(model.question)
                value = text.format(model=known.title, question=asked)
        rows.append((_("Weights, {model}").format(model=model.title), value))
    return rows


def calibrations(analysis: Analysis) -> list[str]:
    """Return what the figures were fitted on: their domain, beyond which they promise nothing."""
    fitted: dict[str, list[str]] = {}
    for model in analysis.models:
        if model.counted and model.calibration is not None:
            fitted.setdefault(_clips(model.calibration), []).append(model.title)
    for question, ensemble in analysis.ensembles.items():
        if ensemble.calibration is not None and analysis.verdict.answers[question].evaluated:
            everything = _("all together")
            fitted.setdefault(_clips(ensemble.calibration), []).append(everything)
    return [f"{', '.join(dict.fromkeys(names))}: {data}" for data, names in fitted.items()]


def _clips(map: Calibration) -> str:
    """Return what a map was fitted on, and how many of that ask its question."""
    if not measured.part_of(map.clips, map.data):
        return say(map.data)
    text = _("{number} that ask this question, of {data}")
    return text.format(number=map.clips, data=say(map.data))


def absent(analysis: Analysis) -> list[str]:
    """Return what was not measured and why; of which people, where that is not so of all."""
    everybody = {signal.subject for signal in analysis.signals}
    missing: dict[tuple[str, str], dict[str | None, None]] = {}
    for signal in analysis.signals:
        if signal.reading == "absent":
            missing.setdefault((signal.title, signal.how_to_read), {})[signal.subject] = None
    lines, titles = [], list(dict.fromkeys(signal.title for signal in analysis.signals))
    for (title, why), whom in sorted(missing.items(), key=lambda pair: titles.index(pair[0][0])):
        named = [] if whom.keys() == everybody else sorted(filter(None, whom))
        people = f" ({', '.join(named)})" if named else ""
        lines.append(f"{title}{people}{f': {why}' if why else ''}")
    return lines


def when(moment: datetime, zone: tzinfo) -> str:
    """Return a time of day in a time zone: "28 November 2026, 12:00 UTC+01:00"."""
    here = moment.astimezone(zone)
    said = format_datetime(here, "dd MMMM y, HH:mm", locale=language().info().get("language", "en"))
    return f"{said} {_zone_name(here)}"


def zone(moment: datetime, zone: tzinfo) -> str:
    """Return the name of a time zone, and how far it is from UTC where that does not say it."""
    here = moment.astimezone(zone)
    name = _zone_name(here)
    return name if name.startswith("UTC") else f"{name} ({_offset(here)})"


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or ""
    return name if name[:1].isalpha() else _offset(moment)  # some have no name but +0545


def _offset(moment: datetime) -> str:
    return f"UTC{moment.isoformat()[-6:]}"


def operating_point(question: Question, answer: Answer) -> str:
    """Return the likelihood from which an answer is given, in a sentence."""
    limits = answer.thresholds
    if limits.never_decide:
        return _("Bands: none; no likelihood decides.")
    parts = []
    for label, start, end in reversed(limits.zones):
        if label.side is not None:
            fake = label.side is Side.FAKE
            text = _("{name} above {limit}") if fake else _("{name} below {limit}")
            edge = percent(start if fake else end)
            parts.append(text.format(name=states.zone(label, question), limit=edge))
    rest = states.zone(Label.INCONCLUSIVE, question)
    return _("Bands: {parts}, else {rest}.").format(parts=", ".join(parts), rest=rest)


def error_rates(question: Question, answer: Answer) -> list[tuple[str, str, str, str]]:
    """Return how often the thresholds erred, as (error, count, rate, 95 % interval)."""
    limits, rows = answer.thresholds, []
    if answer.basis not in (Basis.MEASURED, Basis.OWN):
        return []
    real, fake = say(question.spec.real_word), say(question.spec.fake_word)
    sides = [(real, fake, limits.false_positives)]
    if limits.can_clear:
        sides.append((fake, real, limits.false_negatives))
    for one, other, tally in sides:
        if tally is not None:
            low, high = wilson(tally.count, tally.files)
            count = _("{count} of {files}").format(count=tally.count, files=tally.files)
            ends = _("{low} to {high}").format(low=f"{100 * low:.1f}", high=f"{100 * high:.1f} %")
            name = capital(_("{one} called {other}").format(one=one, other=other))
            rows.append((name, count, f"{100 * tally.count / tally.files:.1f} %", ends))
    return rows


def not_tested(analysis: Analysis) -> list[str]:
    """Return what this analysis did not look at, a sentence each."""
    out = []
    for question, answer in analysis.verdict.answers.items():
        text = _("{question} No model that was asked here answers that.")
        if why_unanswered(analysis, question):
            text = f"{{question}} {answered(analysis, question, answer)}."
        if not answer.evaluated:
            out.append(text.format(question=states.question(question)))
    uncounted = _("{model}: not counted, {why}.")
    out += [
        uncounted.format(model=model.title, why=states.not_counted(model.not_counted_because))
        for model in analysis.models
        if not model.counted and model.not_counted_because
    ]
    coverage = analysis.coverage
    if coverage is not None and coverage.frames > coverage.sampled:
        text = _(
            "{missed} of {frames} frames were not looked at; the longest stretch without one is "
            "{seconds} s."
        )
        missed, gap = coverage.frames - coverage.sampled, f"{coverage.longest_gap:.1f}"
        out.append(text.format(missed=f"{missed:,}", frames=f"{coverage.frames:,}", seconds=gap))
    if analysis.robustness is None:
        out.append(_("Whether the verdict survives compression, scaling and noise was not tried."))
    if analysis.comparison is None and analysis.media.kind != "audio" and not analysis.media.live:
        out.append(_("The file was not compared with an original."))
    out.append(
        _("The error rates hold for material like that which they were measured on; other cameras, "
          "generators, people and kinds of processing were not tested.")
    )  # fmt: skip
    return out


def command(analysis: Analysis) -> str:
    """Return the command that repeats the analysis."""
    asked, mix = analysis.settings, analysis.settings.ensemble
    ids = mix.models if mix else asked.models or [m.id for m in analysis.models if m.scored]
    parts = ["unmask", "analyze", shlex.quote(analysis.media.name), "--models", ",".join(ids)]
    if analysis.media.kind != "audio":
        parts += ["--sampling", asked.sampling, "--min-face", f"{asked.min_face}"]
        parts += ["--faces", asked.faces] if asked.faces != "mtcnn" else []
        parts += ["--fps", f"{asked.fps:g}"] if asked.sampling == "fps" else []
        parts += ["--frames", f"{asked.frames}"]
    parts += ["--start", f"{asked.start:g}"] if asked.start else []
    parts += ["--end", f"{asked.end:g}"] if asked.end is not None else []
    parts += ["--rotate", f"{asked.rotate}"] if asked.rotate is not None else []
    parts += ["--assume-speech"] if asked.assume_speech else []
    if mix and mix.weights:
        weights = ",".join(f"{id}={weight:g}" for id, weight in mix.weights.items())
        parts += ["--weights", weights]
    if mix:
        parts += ["--min-models", f"{mix.min_models}"]
    return " ".join([*parts, "--json", "again.json"])


def moments(number: int) -> str:
    """Return 1 as "1 moment"."""
    return ngettext("{number} moment", "{number} moments", number).format(number=number)


def windows(number: int) -> str:
    """Return 1 as "1 window of speech"."""
    text = ngettext("{number} window of speech", "{number} windows of speech", number)
    return text.format(number=number)
