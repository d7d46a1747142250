"""Options common to several commands, and groups of them as dataclasses."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from cli.common import ids
from cli.parsing import usage
from detector.errors import UsageError
from detector.models import registry
from detector.pipeline import CLOSER
from detector.schema.analysis import CustomEnsemble, Settings, Thresholds
from detector.sentences import _


def opt(help: str = "", *words: str, **look: Any) -> Any:
    """Return an option; `words` are its names ("-o", "--out") if they differ from the parameter's,
    and the name of its value ("DIR"), `look` further arguments of Typer."""
    return typer.Option(*_names(words), help=help or None, metavar=_value(words), **look)


def arg(help: str = "", *words: str, **look: Any) -> Any:
    """Return an argument in the same way."""
    return typer.Argument(help=help or None, metavar=_value(words), **look)


def _names(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith("-")]


def _value(words: Sequence[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


def between(low: float, high: float = math.inf) -> Callable[[float | None], float | None]:
    """Return a validator for a number in an open interval."""

    def check(value: float | None) -> float | None:
        if value is not None and not low < value < high:
            if high == math.inf:
                raise typer.BadParameter(f"{value:g} is not above {low:g}.")
            raise typer.BadParameter(f"{value:g} is not between {low:g} and {high:g}.")
        return value

    return check


Models = Annotated[str | None, opt("instead of the default ensemble", "ID,ID")]
Device = Annotated[Literal["auto", "cpu", "cuda"], opt()]
Sign = Annotated[Path | None, opt("the operator's Ed25519 key, for the report", "KEY.pem")]
Address = Annotated[
    str | None, opt("where to listen; 0.0.0.0: for other computers too (default: only this)")
]
AsJson = Annotated[bool, opt("write them as JSON", "--json")]
Json = Annotated[str | None, opt("write all of it as JSON; - is stdout", "FILE")]
Store = Annotated[Path | None, opt("keep scores; go on from them", "FILE")]
Zone = Annotated[str, opt("time zone of the PDF's times: Europe/Berlin", "NAME")]
Sandbox = Annotated[
    bool,
    opt(
        "read the files in processes that may do nothing else, for files from strangers",
        "--sandbox",
    ),
]
NoLibrary = Annotated[
    bool,
    opt(
        "do not look whether this computer's library of known footage has its original",
        "--no-library",
    ),
]


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Options of how files are analyzed, which change no result."""

    device: Device = "auto"
    sandbox: Sandbox = False


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of commands that write a report."""

    notes: Annotated[str, opt("the analyst's, for the report", "TEXT")] = ""
    no_place: Annotated[
        bool, opt("leave out where the file says it was recorded", "--no-place")
    ] = False
    case: Annotated[str, opt("printed on the PDF", "NAME")] = ""
    reviewer: Annotated[str, opt("who answers for the report", "NAME")] = ""
    zone: Zone = "UTC"
    base_rate: Annotated[
        float,
        opt(
            "share of fakes among the files that you get; odds in words follow it",
            callback=between(0, 1),
        ),
    ] = 0.5
    sign: Sign = None


_SAME = (
    "sampling", "fps", "min_face", "faces", "start", "end", "rotate", "assume_speech", "watch_face",
)  # fmt: skip
"""As in `Settings`."""


@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """Options of the analysis: models, frames, thresholds."""

    models: Models = None
    weights: Annotated[
        str | None,
        opt(
            "how many times its usual evidence a model counts (1 where nothing is said; 0: not)",
            "ID=W,ID=W",
        ),
    ] = None
    min_models: Annotated[int | None, opt("with fewer: inconclusive", "N")] = None
    threshold: Annotated[
        str | None,
        opt(
            "likelihood above which a file counts as manipulated, 0 to 1; with two, no sign "
            "below the first",
            "P or LOW,HIGH",
        ),
    ] = None
    frames: Annotated[
        int | None, opt("moments to look at, at most (32; with fps 2000, with closer 480)", "N")
    ] = None
    sampling: Annotated[
        Literal["uniform", "keyframes", "fps", "closer"],
        opt("closer: every shot, and more where a score moves"),
    ] = "uniform"
    fps: Annotated[float, opt("with --sampling fps (3 to 10)")] = 5.0
    min_face: Annotated[int, opt("", "PX")] = 40
    faces: Annotated[
        Literal["mtcnn", "blazeface", "yunet"],
        opt("face detector; all but mtcnn are fetched first (`unmask fetch yunet`)"),
    ] = "mtcnn"
    start: Annotated[float, opt("", "S")] = 0.0
    end: Annotated[float | None, opt("", "S")] = None
    rotate: Annotated[
        Literal["0", "90", "180", "270"] | None,
        opt("degrees clockwise to turn the picture by (default: where faces are only found so)"),
    ] = None
    assume_speech: Annotated[
        bool,
        opt(
            "judge what is loud in a sound as speech where little of it sounds like that",
            "--assume-speech",
        ),
    ] = False
    watch_face: Annotated[
        bool,
        opt(
            "follow the person in front through every frame: blinks, whether the lips follow "
            "the voice, whether the face stays the same",
            "--watch-face",
        ),
    ] = False

    def settings(self) -> Settings:
        """Return the settings of the options. Raise UsageError if they are invalid."""
        # So many a second is what was asked for: the usual bound would make it fewer.
        most = {"fps": 2000, "closer": CLOSER}.get(self.sampling, 32)
        try:
            return Settings(
                **{name: getattr(self, name) for name in _SAME},
                models=ids(self.models),
                frames=self.frames if self.frames is not None else most,
                ensemble=self._ensemble(),
            )
        except ValidationError as error:
            first = error.errors()[0]
            option = str(first["loc"][0]).replace("_", "-")
            raise UsageError(
                _("--{option}: {msg}.").format(option=option, msg=usage(first["msg"]))
            ) from None

    def thresholds(self) -> Thresholds | None:
        """Return "0.9" or "0.2,0.9" as thresholds for this call."""
        if self.threshold is None:
            return None
        try:
            values = [float(part) for part in self.threshold.split(",")]
        except ValueError:
            values = []
        low, high = (0.0, *values) if len(values) == 1 else (*values, 0.0, 0.0)[:2]
        if len(values) not in (1, 2) or not 0 <= low <= high <= 1:
            text = _("--threshold: {threshold} is not one or two likelihoods between 0 and 1.")
            hint = _("For example --threshold 0.9, or --threshold 0.2,0.9.")
            raise UsageError(text.format(threshold=repr(self.threshold)), hint=hint)
        return Thresholds(low=low, high=high, custom=True)

    def _ensemble(self) -> CustomEnsemble | None:
        """Return a custom ensemble, as Compare builds one; None if nothing was changed."""
        if self.weights is None and self.min_models is None:
            return None
        weights = _weights(self.weights) if self.weights else {}
        if self.min_models is not None and self.min_models < 1:
            raise UsageError(_("--min-models is a number of models, 1 or more."))
        chosen = [spec.id for spec in registry.choose(ids(self.models))]
        if unknown := sorted(set(weights) - set(chosen)):
            text = _("--weights names {unknown}, which is not among the models.")
            hint = _("They are {chosen}; --models names others.")
            raise UsageError(
                text.format(unknown=", ".join(unknown)), hint=hint.format(chosen=", ".join(chosen))
            )
        counted = [id for id in chosen if weights.get(id, 1.0) > 0]
        if not counted:
            raise UsageError(
                _("--weights leaves no model."), hint=_("Give at least one more than 0.")
            )
        least = self.min_models
        if least is None:
            usual = registry.manifest().ensembles.values()
            least = max((e.min_models for e in usual if set(e.models) <= set(counted)), default=1)
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
            weight = math.nan
        if not equals or not id.strip() or not 0 <= weight < 1e6:
            raise UsageError(
                _("--weights: {part} is not a model and a number of 0 or more.").format(
                    part=repr(part.strip())
                ),
                hint=_("For example --weights clip=1,texture=0.5."),
            )
        weights[id.strip()] = weight
    return weights
