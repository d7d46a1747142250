"""Self-check of the installed models: files, tensor names, reference scores, label order.

- The sha256 of all files is verified.
- Names and shapes of all tensors are compared with the original's (`weights/checks.toml`).
- Where the original's score of a picture is known, the model has to reproduce it.
- Label order: the model scores the gallery's untouched and manipulated clips, the same face at the
  same times, and real and swapped faces that MesoNet's authors publish. If the real ones score
  higher throughout, its label order looks inverted. Without a clear difference there is no result.
"""

import hashlib
import logging
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field
from skimage import data

from detector import paths, weights
from detector.decision import sigmoid
from detector.errors import ModelError, UnmaskError
from detector.models import inventory, registry
from detector.models.base import Model, ModelSpec
from detector.pipeline import Analyzer
from detector.samples import MANIPULATED_FROM, make_samples
from detector.schema.analysis import Settings
from detector.schema.base import Probability, StrictModel
from detector.schema.ensemble import shown_name
from detector.sentences import _, say
from detector.weights.entry import WeightFile

log = logging.getLogger(__name__)

FRAMES = 8  # scored frames of a gallery clip
MIN_DIFFERENCE = 0.5  # least mean difference in natural-log odds
MIN_AGREEMENT = 0.9  # share of pairs with the same sign

Order = Literal["as stated", "looks inverted", "not told", "not tried"]


class ReferenceScore(StrictModel):
    """The original's score of one picture: an entry of `weights/checks.toml`."""

    model: str
    picture: str
    side: int = 256
    sha256: str | None = None
    size: int | None = None
    fake: bool
    p_fake: Probability
    within: float = 1e-4
    source: str


class Checks(StrictModel):
    """Contents of `weights/checks.toml`."""

    names: dict[str, str]
    scores: list[ReferenceScore]


class Outcome(StrictModel):
    """The result of one model's check."""

    id: str
    title: str
    files: Literal["verified", "failed"]
    names: bool | None = Field(default=None, description="as the original's; None: not known")
    known: int = Field(default=0, description="known answers that were asked for")
    right: int = Field(default=0, description="those it gave")
    order: Order = "not tried"
    difference: float | None = Field(
        default=None, description="mean logit of fake faces less that of real ones, of pairs"
    )
    pairs: int = 0
    milliseconds: float | None = Field(default=None, description="of one face or window")
    notes: list[str] = Field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return True if no check failed; an inconclusive one did not fail."""
        bad = self.files == "failed" or self.names is False or self.right < self.known
        return not bad and self.order != "looks inverted"


@dataclass(frozen=True)
class CheckProgress:
    """The model that is being checked, its number, and the number of all."""

    id: str
    number: int
    of: int


def selfcheck(
    ids: Iterable[str] | None = None,
    *,
    device: str = "cpu",
    progress: Callable[[CheckProgress], None] | None = None,
) -> list[Outcome]:
    """Check models, by default all that are installed; `progress` is called before each and may
    raise to stop. Raise UsageError for an unknown model."""
    specs = [registry.get_spec(id) for id in ids] if ids is not None else registry.list_models()
    specs = [spec for spec in specs if ids is not None or registry.usable(spec)]
    checks, analyzer = read_checks(), Analyzer(device=device)
    outcomes = []
    for number, spec in enumerate(specs, start=1):
        if progress:
            progress(CheckProgress(spec.id, number, len(specs)))
        outcomes.append(_check(spec, checks, analyzer))
        wrong = "" if outcomes[-1].files == "verified" else outcomes[-1].notes[0]
        inventory.remember_failure(spec.id, wrong)
    return outcomes


def read_checks() -> Checks:
    """Read the reference data of published weights."""
    path = paths.bundled() / "checks.toml"
    return Checks.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def names_hash(path: Path, spec: ModelSpec) -> str:
    """Return the sha256 of the names, types and shapes of a weight file's tensors."""
    lines = sorted(
        f"{name} {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        for name, tensor in weights.load_state(path, spec).items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def polarity(groups: Sequence[Sequence[tuple[float, float]]]) -> tuple[Order, float | None]:
    """Return the label order by groups of (real, fake) logit pairs, and the clearest mean
    difference."""
    means, clear = [], []
    for pairs in groups:
        if pairs:
            differences = np.array([fake - real for real, fake in pairs])
            means.append(float(differences.mean()))
            agreement = float((np.sign(differences) == np.sign(means[-1])).mean())
            if abs(means[-1]) >= MIN_DIFFERENCE and agreement >= MIN_AGREEMENT:
                clear.append(means[-1])
    if not means:
        return "not tried", None
    most = max(clear or means, key=abs)
    if not clear or min(clear) < 0 < max(clear):
        return "not told", most
    return ("as stated" if most > 0 else "looks inverted"), most


def _check(spec: ModelSpec, checks: Checks, analyzer: Analyzer) -> Outcome:
    outcome = Outcome(id=spec.id, title=shown_name(spec), files="verified")
    try:
        files = weights.resolve(spec)
        model = registry.load_model(spec.id, device=analyzer.device)
    except UnmaskError as error:
        outcome.files = "failed"
        outcome.notes.append(error.message)
        return outcome
    stated = checks.names.get(spec.architecture)
    if stated and len(files) == 1:
        outcome.names = names_hash(files[0], spec) == stated
        if not outcome.names:
            outcome.notes.append(_("its tensors are not named and shaped as the original's"))
    _known(spec, model, analyzer, checks.scores, outcome)
    groups = [_gallery(spec, analyzer, outcome), _stills(spec, analyzer, checks.scores, outcome)]
    outcome.order, outcome.difference = polarity(groups)
    outcome.pairs = sum(len(group) for group in groups)
    if outcome.order == "looks inverted":
        outcome.notes.append(_("untouched faces score higher than manipulated ones"))
    if spec.label_order == "unverified":
        outcome.notes.append(_("label order unverified"))
    outcome.milliseconds = measure(model)
    return outcome


def measure(model: Model) -> float | None:
    """Return the milliseconds for one face or window on this machine, best of three; None for a
    model with another input."""
    spec, rng = model.spec, np.random.default_rng(0)
    side = spec.crop.size or 256
    shape = (spec.clip_frames, side, side, 3) if spec.kind == "video" else (side, side, 3)
    item = rng.integers(0, 256, (1, *shape), np.uint8)
    if spec.sound:
        item = rng.standard_normal((1, spec.sound.samples)).astype(np.float32)
    try:
        model.score(item)
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            model.score(item)
            times.append(time.perf_counter() - begun)
    except (ValueError, ModelError):  # another input
        return None
    return 1000 * min(times)


def _gallery(spec: ModelSpec, analyzer: Analyzer, outcome: Outcome) -> list[tuple[float, float]]:
    samples = {sample.id: sample for sample in make_samples(paths.data())}
    settings = Settings(models=[spec.id], frames=FRAMES)
    real, fake = (
        _by_time(analyzer, samples[id].path, spec, settings, outcome)
        for id in ("untouched", "manipulated")
    )
    return [(real[t], fake[t]) for t in sorted(real) if t in fake and t > MANIPULATED_FROM]


def _by_time(
    analyzer: Analyzer, path: Path, spec: ModelSpec, settings: Settings, outcome: Outcome
) -> dict[float, float]:
    try:
        analysis = analyzer.analyze(path, settings, scores_only=True)
    except UnmaskError as error:
        outcome.notes.append(error.message)
        return {}
    if (why := analysis.models[0].error) and why not in outcome.notes:
        outcome.notes.append(why)
    subject = next((s for s in analysis.subjects if s.modality is spec.modality), None)
    segments = subject.segments if subject else []
    return {s.start: s.logits[spec.id] for s in segments if spec.id in s.logits}


def _stills(
    spec: ModelSpec, analyzer: Analyzer, known: Sequence[ReferenceScore], outcome: Outcome
) -> list[tuple[float, float]]:
    if spec.kind == "video":
        return []
    real: list[float] = []
    fake: list[float] = []
    for entry in {e.picture: e for e in known if e.sha256}.values():
        if (path := _download(entry)) is not None:
            logits = _by_time(analyzer, path, spec, Settings(models=[spec.id]), outcome)
            (fake if entry.fake else real).extend(logits.values())
    return [(r, f) for r in real for f in fake]


def _known(
    spec: ModelSpec,
    model: Model,
    analyzer: Analyzer,
    known: Sequence[ReferenceScore],
    outcome: Outcome,
) -> None:
    for entry in known:
        if entry.model != spec.id:
            continue
        score = _answer(entry, spec, model, analyzer, outcome)
        if score is None:
            continue
        outcome.known += 1
        if abs(score - entry.p_fake) <= entry.within:
            outcome.right += 1
        else:
            outcome.notes.append(
                _("{name}: P(fake) {score}, the original says {p_fake}").format(
                    name=Path(entry.picture).name,
                    score=f"{score:.4f}",
                    p_fake=f"{entry.p_fake:.4f}",
                )
            )


def _answer(
    entry: ReferenceScore, spec: ModelSpec, model: Model, analyzer: Analyzer, outcome: Outcome
) -> float | None:
    """Return P(fake) of a reference picture or clip; None if it can't be downloaded."""
    if entry.picture.endswith(".mp4"):
        path = _path(entry)
        settings = Settings(models=[spec.id], frames=32)
        logits = _by_time(analyzer, path, spec, settings, outcome) if path.is_file() else {}
        return sigmoid(float(np.mean(list(logits.values())))) if logits else None
    if entry.picture == "portrait":
        picture = portrait(entry.side)
    elif downloaded := _download(entry):
        with Image.open(downloaded) as image:
            picture = np.asarray(image.convert("RGB"))
    else:
        return None
    return float(model.p_fake(model.forward(model.preprocess(picture)[None]))[0])


def portrait(side: int) -> np.ndarray:
    """Return the public-domain face of the reference scores: uint8 [side, side, 3] RGB."""
    face = Image.fromarray(data.astronaut()[20:220, 125:325])
    return np.asarray(face.resize((side, side), Image.Resampling.LANCZOS))


def _path(entry: ReferenceScore) -> Path:
    return paths.data() / "checks" / Path(entry.picture).name


def _download(entry: ReferenceScore) -> Path | None:
    path = _path(entry)
    try:
        if not path.is_file() or weights.digest(path) != entry.sha256:
            path.parent.mkdir(parents=True, exist_ok=True)
            url = entry.picture
            file = WeightFile(path=path.name, sha256=entry.sha256, size=entry.size, url=url)
            weights.download(file, path, lambda _done, _total: None)
    except (UnmaskError, OSError) as error:
        log.info("%s is left out: %s", path.name, error)
        return None
    return path


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes for a terminal, a line a model."""
    rows = [(_("Model"), _("Files"), _("Names"), _("Known answers"), _("Label order"), "ms", "")]
    for o in outcomes:
        names = {None: "–", True: _("as the original’s"), False: _("others")}[o.names]
        known = _("{number} of {total}").format(number=o.right, total=o.known) if o.known else "–"
        ms = "–" if o.milliseconds is None else f"{o.milliseconds:,.0f}"
        notes = "; ".join(map(say, o.notes))
        rows.append((o.id, say(o.files), names, known, say(o.order), ms, notes))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
