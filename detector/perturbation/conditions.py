"""Perturbation conditions of files, by name and level.

Pictures and clips are changed by `corruptions`, sounds by `sounds`.
"""

from dataclasses import dataclass

from detector.errors import UsageError
from detector.sentences import _

SEEN, CLIP, HEARD = ("image", "video"), ("video",), ("audio",)


@dataclass(frozen=True)
class _Kind:
    title: str
    fits: tuple[str, ...]
    levels: tuple[float, ...] = ()
    between: bool = False  # Whether levels between these may be fractions; else whole numbers


_KINDS: dict[str, _Kind] = {
    "none": _Kind("as it is", (*SEEN, *HEARD)),
    "jpeg": _Kind("JPEG quality {:g}", SEEN, (30, 50, 75, 95)),
    "crf": _Kind("h264 CRF {:g}", CLIP, (23, 30, 32, 35, 38, 40), between=True),
    "resize": _Kind("scaled to {:.0%}", SEEN, (0.25, 0.5, 0.75), between=True),
    "blur": _Kind("blur, level {:g}", SEEN, (1, 2, 3, 4, 5)),
    "noise": _Kind("noise, level {:g}", SEEN, (1, 2, 3, 4, 5)),
    "crop": _Kind("{:.0%} cut off each side", SEEN, (0.05, 0.1, 0.2), between=True),
    "mirror": _Kind("mirrored", SEEN),
    "mp3": _Kind("MP3 at {:g} kbit/s", HEARD, (24, 32, 48)),
    "opus": _Kind("Opus at {:g} kbit/s", HEARD, (12, 16, 24)),
    "phone": _Kind("8 kHz telephone", HEARD),
    "snr": _Kind("noise {:g} dB below the voice", HEARD, (5, 10, 20), between=True),
    "room": _Kind("in a room", HEARD),
    "denoise": _Kind("noise removed by a program", HEARD),
    "quiet": _Kind("quieter by {:g} dB", HEARD, (6, 12, 18), between=True),
}
_BIT_RATES = ("mp3", "opus")
"""Kinds whose encoders have only these levels."""
_HARMLESS = ("crop", "mirror", "quiet")  # Kinds that do not reduce the quality


@dataclass(frozen=True)
class Condition:
    """A perturbation at one level."""

    kind: str
    """for pictures "jpeg", "crf", "resize", "blur", "noise", "crop" or "mirror"; for sounds "mp3",
    "opus", "phone", "snr", "room", "denoise" or "quiet"; "none" for both"""
    level: float = 0.0
    """JPEG quality, CRF, scale of the sides (`crop`: share cut off), level 1..5, kbit/s, SNR in dB,
    or dB"""

    @property
    def name(self) -> str:
        """Return the name for the command line, such as "crf-32"; "none" for no change."""
        return f"{self.kind}-{self.level:g}" if _KINDS[self.kind].levels else self.kind

    @property
    def title(self) -> str:
        """Return the title for a person, such as "h264 CRF 32"."""
        return _KINDS[self.kind].title.format(self.level).replace("%", " %")

    def fits(self, kind: str) -> bool:
        """Return True if it applies to this kind: "image", "video" or "audio"."""
        return kind in _KINDS[self.kind].fits


NONE = Condition("none")
ALL = (
    NONE,
    *(
        Condition(name, level)
        for name, kind in _KINDS.items()
        for level in kind.levels or (0.0,)
        if name not in ("none", *_HARMLESS)
    ),
)
"""Conditions of a benchmark: all that reduce the quality."""
FEW = (
    NONE,
    Condition("crf", 32),
    Condition("resize", 0.5),
    Condition("jpeg", 50),
    Condition("blur", 3),
    Condition("noise", 3),
    Condition("mp3", 32),
    Condition("opus", 16),
    Condition("phone"),
    Condition("snr", 10),
    Condition("room"),
)
"""One level of each kind: affordable on two cores."""


def parse(text: str) -> tuple[Condition, ...]:
    """Parse comma-separated conditions, "few" or "all", after `NONE`; raise UsageError."""
    if text in ("few", "all"):
        return FEW if text == "few" else ALL
    conditions = [NONE]
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _dash, level = part.partition("-")
        try:
            conditions.append(_known(kind, float(level) if level else None))
        except ValueError:
            known_ones = "; ".join(
                f"{name}-{min(kind.levels):g} to {name}-{max(kind.levels):g}"
                if kind.levels
                else name
                for name, kind in _KINDS.items()
                if name != "none"
            )
            raise UsageError(
                _("There is no condition {part}.").format(part=repr(part)),
                hint=_("Known: {known_ones}.").format(known_ones=known_ones),
            ) from None
    return tuple(dict.fromkeys(conditions))


def _known(name: str, level: float | None) -> Condition:
    """Raise ValueError unless there is such a kind and the level is one of its levels."""
    if (kind := _KINDS.get(name)) is None:
        raise ValueError
    if not kind.levels and level is None:
        return Condition(name)
    if not kind.levels or level is None or not min(kind.levels) <= level <= max(kind.levels):
        raise ValueError
    if level not in kind.levels and (name in _BIT_RATES or not (kind.between or level % 1 == 0)):
        raise ValueError
    return Condition(name, level)
