"""`unmask analyze`: videos and pictures."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli import known, report
from detector.cli.common import (
    Commands,
    JsonOutput,
    ProgressBar,
    ids,
    is_web_address,
    refuse_link,
    say,
    tell,
)
from detector.errors import InputError, UsageError
from detector.messages import comparison, lead, states
from detector.messages.coverage import covered
from detector.messages.format import percent, signed
from detector.schema.analysis import (
    Analysis,
    CustomEnsemble,
    ErrorDetail,
    Failure,
    Label,
    Modality,
    Question,
    Settings,
    Thresholds,
    Verdict,
)

if TYPE_CHECKING:
    from detector.pipeline import Analyzer, Progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    analyze = commands.add_parser("analyze", help="analyze videos and pictures")
    analyze.add_argument("paths", nargs="+", metavar="PATH")
    add_settings(analyze)
    analyze.add_argument("--json", metavar="FILE", help="write the Analysis as JSON; - is stdout")
    analyze.add_argument("--report", metavar="FILE.pdf", help="sealed; or .json or .csv")
    analyze.add_argument(
        "--original",
        metavar="FILE",
        type=Path,
        help="hold it against this file as well, of which it may be a manipulated copy: a finding "
        "of its own (as of unmask compare), which counts nothing in the verdict",
    )
    known.add_option(analyze)
    report.add_options(analyze)
    add_machine(analyze)
    analyze.set_defaults(run=_analyze)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options of everything that analyzes files: with what, and what it looks at."""
    parser.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    parser.add_argument(
        "--weights",
        metavar="ID=W,ID=W",
        help="how many times its usual evidence a model counts (1 where nothing is said; 0: not)",
    )
    parser.add_argument("--min-models", type=int, metavar="N", help="with fewer: inconclusive")
    parser.add_argument(
        "--threshold",
        metavar="P or LOW,HIGH",
        help="likelihood above which a file counts as manipulated, 0 to 1; with two, no sign below "
        "the first",
    )
    parser.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="moments to look at, at most (32; with fps 2000, with closer 480)",
    )
    parser.add_argument(
        "--sampling",
        choices=["uniform", "keyframes", "fps", "closer"],
        default="uniform",
        help="closer: every shot, and more where a score moves",
    )
    parser.add_argument("--fps", type=float, default=5.0, help="with --sampling fps (3 to 10)")
    parser.add_argument("--min-face", type=int, default=40, metavar="PX")
    parser.add_argument("--start", type=float, default=0.0, metavar="S")
    parser.add_argument("--end", type=float, default=None, metavar="S")
    parser.add_argument(
        "--rotate",
        type=int,
        choices=[0, 90, 180, 270],
        help="degrees clockwise to turn the picture by (default: where faces are only found so)",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Options of how files are analyzed, which change no result."""
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--sandbox",
        action="store_true",
        help="read the files in processes that may do nothing else, for files from strangers",
    )


def _analyze(args: argparse.Namespace) -> int:
    if args.sandbox:
        from detector import media

        media.isolate()  # first: its own imports go on beside those of torch
    from detector.pipeline import Analyzer

    settings, limits = settings_of(args), thresholds_of(args.threshold)
    if args.report:
        report.ending(args.report)
        if len(args.paths) > 1:
            raise UsageError("A report is about one file.", hint="--json takes several.")
    if args.original and len(args.paths) > 1:
        raise UsageError("An original is that of one file.", hint="Give one file.")
    if args.original:
        refuse_link(args.original)
    analyzer = Analyzer(device=args.device)
    status = 0
    wanted = args.original is None and not args.no_library
    with (
        JsonOutput(args.json, several=len(args.paths) > 1) as output,
        known.OriginalFinder(wanted=wanted) as library,
    ):
        for path in args.paths:
            result = _one(analyzer, path, settings, limits)
            if isinstance(result, Failure):
                status = 2
                output.add(result.model_dump(mode="json"))
                continue
            found, told = library.original_of(Path(path), result.media)
            if (original := args.original or found) is not None:
                result = _against(result, Path(path), original)
            output.add(result.model_dump(mode="json"))
            if args.report:
                report.write_report(args.report, result, Path(path), args)
            if args.json != "-":
                tell(summary(result), *filter(None, [told]))
    return status


def _one(
    analyzer: Analyzer, path: str, settings: Settings, limits: Thresholds | None
) -> Analysis | Failure:
    """Analyze a file; say what is wrong with it where it can't be."""
    from detector.decision import decide

    bar = ProgressBar(path if is_web_address(path) else Path(path).name, "share")
    try:
        refuse_link(path)
        analysis = analyzer.analyze(path, settings, observe=partial(_show, bar))
        return decide(analysis, thresholds=limits) if limits else analysis
    except InputError as error:
        if isinstance(error, UsageError):
            raise
        bar.close()
        if error.code == "not_a_file" and Path(path).is_dir():
            error.hint = "`unmask batch FOLDER --out DIR` analyzes everything in it."
        say(error, bar.text)
        detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
        return Failure(name=bar.text, error=detail)
    finally:
        bar.close()


def _against(analysis: Analysis, path: Path, original: Path) -> Analysis:
    """Return the result with what came of holding the file against its original."""
    from detector.comparison import compare

    bar = ProgressBar("comparing", "share")
    found = compare(
        path, original, copy_media=analysis.media, on_progress=lambda share: bar(share, 1.0)
    )
    bar.close()
    return analysis.model_copy(update={"comparison": found})


def _show(bar: ProgressBar, progress: Progress) -> None:
    bar(progress.fraction, 1)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings that the options ask for. UsageError when they can't be."""
    from pydantic import ValidationError

    from detector.pipeline import CLOSER

    # So many a second is what was asked for: the usual bound would make it fewer.
    most = {"fps": 2000, "closer": CLOSER}.get(args.sampling, 32)
    try:
        return Settings(
            models=ids(args.models),
            frames=args.frames if args.frames is not None else most,
            mix=_mix(args),
            **{
                key: getattr(args, key)
                for key in ("sampling", "fps", "min_face", "start", "end", "rotate")
            },
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option}: {first['msg'].lower()}.") from None


def summary(analysis: Analysis) -> str:
    """Return the verdict in a few lines for a terminal."""
    verdict = analysis.verdict
    lines = [f"{analysis.media.name}: {analysis.headline}"]
    if (found := analysis.comparison) is not None:
        more = "" if found.finding.same_footage else f" {comparison.lead(found)}"
        lines.append(f"  {comparison.sentence(found)}.{more}")
        if found.finding.related:
            lines.append(f"  {comparison.against(found)}")
        alone = states.headline(verdict.label, verdict.question, verdict.lean)
        lines.append(f"  The detectors, alone: {alone}")
    lines += [f"  {line}" for line in _people(analysis)]
    front_answer = verdict.answers.get(verdict.question) if verdict.question else None
    front = sorted(verdict.answers.items(), key=lambda pair: pair[0] is not verdict.question)
    lines += [line for question, _ in front if (line := _answered(verdict, question))]
    if front_answer is not None and front_answer.odds is not None:
        odds = front_answer.odds
        lines.append(f"  {states.odds(odds.share, odds.low, odds.high, verdict.question)}")
    for reason in verdict.reasons:
        lines.append(f"  - {reason.text}" + (f" ({reason.detail})" if reason.detail else ""))
    plain = {m.id: m.plain or m.title for m in analysis.models}
    for part in front_answer.contributions if front_answer else ():
        name = states.contribution(part.kind, part.id, plain.get(part.id, ""))
        lines.append(f"  {signed(part.logit):>5}  {name}")
    for model in analysis.models:
        if not model.counted:
            score = "" if model.probability is None else f" score {percent(model.probability)},"
            lines.append(f"  {model.title}:{score} not counted: {model.not_counted_because}")
    if coverage := covered(analysis.coverage):
        lines.append(f"  Looked at: {coverage}")
    lines += [f"  Note: {note}" for note in analysis.media.notes]
    if turn := analysis.media.faces_turned:
        lines.append(f"  To analyze it turned: --rotate {turn}")
    lines.append(f"  Can't tell: {' '.join(verdict.limits)}")
    return "\n".join(lines)


def _people(analysis: Analysis) -> list[str]:
    """Return who of several people leads, and the text about the others; nothing of one."""
    verdict = analysis.verdict
    people = [subject for subject in analysis.seen if subject.modality is Modality.FACE]
    if len(people) < 2:
        return []
    lines = []
    top = next((person for person in people if person.id == verdict.subject), None)
    # Of a picture that a machine made nobody in it leads.
    if top is not None and verdict.question and not verdict.question.spec.whole:
        alone = top.answers[verdict.question].probability
        said = [
            lead.placed(top),
            "" if alone is None else f"{percent(alone)} alone",
            "" if verdict.label is Label.REAL else lead.strongest(analysis, top),
        ]
        of = f"{len(people)} people"
        if out := lead.left_out(analysis):
            of = f"{len(people) - len(out)} of {len(people)} people whose score counts"
        lines.append(f"Most suspicious of {of}: {', '.join(filter(None, said))}")
    # Without a sign, the sentence counts those that the others' leaves out.
    all_of_them = lead.sentence(analysis) if verdict.label is Label.REAL else ""
    lines.append(" ".join(filter(None, [all_of_them, lead.others(analysis)])))
    return [line.replace("\u00a0", " ") for line in lines if line]


def _answered(verdict: Verdict, question: Question) -> str:
    """One question in a line; "" where it was not asked or not judged."""
    answer = verdict.answers[question]
    if answer.probability is None:
        return ""
    limits = answer.thresholds
    low = "" if limits.one_sided else f"no sign under {percent(limits.low)}, "
    basis = f"by {limits.data}" if limits.own else states.basis(answer.basis)
    by = f", {basis}" if basis else ""
    likely = f"{percent(answer.probability)} combined likelihood"
    if answer.stays_open:
        if verdict.uncounted(question):
            likely = f"{percent(answer.probability)} not counted"
        likely = f"stays open, {likely}"
    over = f"{states.says(question)} over {percent(limits.high)}"
    if limits.never_decide:
        over = "no score decides"
    return f"  {states.question(question)} {likely} ({low}{over}{by})"


def _mix(args: argparse.Namespace) -> CustomEnsemble | None:
    """Return an ensemble of one's own, as Compare makes one; None where nothing was changed."""
    from detector.models import registry

    if args.weights is None and args.min_models is None:
        return None
    weights = _weights(args.weights) if args.weights else {}
    if args.min_models is not None and args.min_models < 1:
        raise UsageError("--min-models is a number of models, 1 or more.")
    chosen = [spec.id for spec in registry.choose(ids(args.models))]
    if unknown := sorted(set(weights) - set(chosen)):
        raise UsageError(
            f"--weights names {', '.join(unknown)}, which is not among the models.",
            hint=f"They are {', '.join(chosen)}; --models names others.",
        )
    counted = [id for id in chosen if weights.get(id, 1.0) > 0]
    if not counted:
        raise UsageError("--weights leaves no model.", hint="Give at least one more than 0.")
    least = args.min_models
    if least is None:
        ensembles = registry.manifest().ensembles.values()
        least = max((e.min_models for e in ensembles if set(e.models) <= set(counted)), default=1)
    return CustomEnsemble(
        models=counted,
        weights={id: w for id, w in weights.items() if id in counted},
        min_models=least,
    )


def _weights(text: str) -> dict[str, float]:
    """ "clip=2,texture=0.5" -> {"clip": 2.0, "texture": 0.5}."""
    weights = {}
    for part in text.split(","):
        id, equals, value = part.partition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if not equals or not id.strip() or not 0 <= weight < 1e6:
            raise UsageError(
                f"--weights: {part.strip()!r} is not a model and a number of 0 or more.",
                hint="For example --weights clip=1,texture=0.5.",
            )
        weights[id.strip()] = weight
    return weights


def thresholds_of(text: str | None) -> Thresholds | None:
    """ "0.9" or "0.2,0.9" as thresholds for this one call."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    low, high = (0.0, *values) if len(values) == 1 else (*values, 0.0, 0.0)[:2]
    if len(values) not in (1, 2) or not 0 <= low <= high <= 1:
        raise UsageError(
            f"--threshold: {text!r} is not one or two likelihoods between 0 and 1.",
            hint="For example --threshold 0.9, or --threshold 0.2,0.9.",
        )
    return Thresholds(low=low, high=high, custom=True, no_sign=len(values) == 2)
