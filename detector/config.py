"""Configuration by environment variables: each with its type, bounds and default.

A program with variables of its own extends `LibraryConfig`, as the server does; errors and tables
are generated here for both.

    unmask config       purpose and current value of each variable
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo

from detector.errors import UsageError

Snapshot: TypeAlias = tuple[tuple[str, str], ...]  # The variables that are set, and their values


@dataclass(frozen=True)
class Expected:
    """Description of valid values, which ends the sentence "It must be …"."""

    text: str


@dataclass(frozen=True)
class MemoryAmount:
    """An amount of memory, in bytes or as a share of the machine's."""

    number: float  # Bytes; with `relative` a fraction, 0 to 1
    relative: bool = False

    def of(self, total: int) -> int:
        """Return the amount in bytes on a machine with `total` bytes."""
        return int(total * self.number) if self.relative else int(self.number)


def _memory(value: object) -> MemoryAmount:
    if isinstance(value, MemoryAmount):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(%)|([kmgt]?)(i?)b?)", str(value).lower())
    if not match:
        raise ValueError
    number = float(match[1])
    if match[2]:
        return MemoryAmount(number / 100, relative=True)
    power = "kmgt".index(match[3]) + 1 if match[3] else 0
    return MemoryAmount(number * (1024 if match[4] else 1000) ** power)


def split(separator: str | None) -> BeforeValidator:
    """Return a validator that splits a text into a tuple of its non-empty parts."""

    def parts(value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(separator) if part.strip())

    return BeforeValidator(parts)


Text = Annotated[str, Expected("a text")]
Secret = Annotated[SecretStr, Expected("a secret")]
Switch = Annotated[bool, Expected("on or off")]
ExistingPath = Annotated[Path, Expected("a file")]
Folder = Annotated[Path, Expected("a folder")]
Ids = Annotated[tuple[str, ...], split(","), Expected("ids with commas between")]
Ports = Annotated[
    tuple[Annotated[int, Field(gt=0, lt=65536)], ...],
    split(","),
    Expected("numbers of ports with commas between"),
]
Count = Annotated[int, Field(ge=0), Expected("a whole number")]
Amount = Annotated[float, Field(gt=0, lt=1e6), Expected("a positive number")]
Memory = Annotated[
    MemoryAmount,
    BeforeValidator(_memory),
    Expected("an amount of memory such as 4GB, 1500MB or 25%"),
]


def setting(variable: str, default: Any, purpose: str, *, usual: str = "") -> Any:
    """Return the field of a variable, with aliases after `|`. `usual`: the default in words, if its
    value is not informative."""
    first, *others = variable.split("|")
    return Field(
        default,
        validation_alias=AliasChoices(first, *others) if others else first,
        description=purpose,
        json_schema_extra={"usual": usual},
    )


class LibraryConfig(BaseModel):
    """Variables of the library. Blank values are treated as unset."""

    model_config = ConfigDict(
        frozen=True, hide_input_in_errors=True, validate_default=True, populate_by_name=True
    )

    data: Folder | None = setting(
        "UNMASK_DATA", None, "where everything is kept", usual="`data/`; `/data` in the image"
    )
    memory: Memory | None = setting(
        "UNMASK_MEMORY", None, "memory of loaded models",
        usual="half of the machine's or container's",
    )  # fmt: skip
    converted: Folder | None = setting(
        "UNMASK_CONVERTED",
        None,
        "where networks are kept as they are run: the next start reads them",
        usual="`converted/` in the data folder",
    )
    precision: Annotated[Literal["bf16", "f32"], Expected("bf16 or f32")] = setting(
        "UNMASK_PRECISION",
        "bf16",
        "what vision transformers compute in on a processor that has it; `f32`: to the last digit"
        " as their authors do, in two to four times the time",
    )
    models: Ids = setting(
        "UNMASK_MODELS",
        (),
        "models to fetch and use from the start, by id; `recommended` for the short list",
    )
    runs: Folder | None = setting(
        "UNMASK_RUNS",
        None,
        "where `unmask evaluate` and `unmask train` write runs for MLflow "
        "([evaluation.md](evaluation.md#runs-over-time))",
        usual="no runs are written",
    )
    offline: Switch = setting("UNMASK_OFFLINE", False, "on: download nothing")
    links: Switch = setting(
        "UNMASK_LINKS", False, "on: files are also fetched by their address ([links.md](links.md))"
    )
    links_private: Switch = setting(
        "UNMASK_LINKS_PRIVATE",
        False,
        "on: also from this computer and its own networks; for tests and intranets",
    )
    links_ports: Ports = setting(
        "UNMASK_LINKS_PORTS", (), "ports that files are fetched from, besides 80 and 443"
    )
    ytdlp: Switch = setting(
        "UNMASK_YTDLP",
        False,
        "on: with `UNMASK_LINKS`, videos of pages too, through yt-dlp "
        "([links.md](links.md#pages-with-a-player))",
    )
    ray_address: Text = setting(
        "UNMASK_RAY_ADDRESS",
        "",
        "the Ray cluster that analyzes: `auto`, `local` or `host:port` ([scale.md](scale.md))",
    )
    ray_workers: Count = setting(
        "UNMASK_RAY_WORKERS", 0, "workers on it", usual="as many as it has room for"
    )
    ray_cpus: Amount = setting("UNMASK_RAY_CPUS", 2.0, "cores of a worker")
    ray_gpus: Annotated[float, Field(ge=0, le=64), Expected("a number of GPUs")] | None = setting(
        "UNMASK_RAY_GPUS", None, "GPUs of a worker", usual="1 where the cluster has any"
    )
    signing_key: ExistingPath | None = setting(
        "UNMASK_SIGNING_KEY", None, "private key that signs reports ([report.md](report.md))"
    )
    signing_password: Secret | None = setting(
        "UNMASK_SIGNING_PASSWORD", None, "of that key, where it is encrypted"
    )
    pdf_certificate: ExistingPath | None = setting(
        "UNMASK_PDF_CERTIFICATE",
        None,
        "private key and certificate (PKCS#12 or PEM) with which reports are signed as PDF "
        "([report.md](report.md#a-signature-that-pdf-readers-verify))",
    )
    pdf_password: Secret | None = setting(
        "UNMASK_PDF_PASSWORD", None, "of that file, where it is encrypted"
    )
    report_font: ExistingPath | None = setting(
        "UNMASK_REPORT_FONT", None, "a font for scripts that the report's own do not have"
    )
    c2pa_trust: ExistingPath | None = setting(
        "UNMASK_C2PA_TRUST", None, "PEM file of signers to trust"
    )
    language: Text = setting(
        "UNMASK_LANGUAGE",
        "",
        "the language of pages, commands and their reports, where there is a file for it "
        "([languages.md](languages.md))",
        usual="the browser's; of a command, the terminal's",
    )
    hf_endpoint: Text = setting(
        "HF_ENDPOINT", "", "another address of the hub", usual="that of Hugging Face"
    )
    hf_token: Secret | None = setting("HF_TOKEN", None, "models behind a login")


def get_config() -> LibraryConfig:
    """Return the current configuration, cached until the environment changes; raise UsageError for
    an invalid value."""
    return _read(snapshot(LibraryConfig))


@lru_cache(maxsize=8)
def _read(state: Snapshot) -> LibraryConfig:
    try:
        return LibraryConfig.model_validate(dict(state))
    except ValidationError as error:
        raise UsageError(sentence(LibraryConfig, error)) from None


def move_data(folder: Path) -> None:
    """Set the data folder, for this process and its children."""
    os.environ["UNMASK_DATA"] = str(folder)


def share_memory(share: float) -> None:
    """Limit models to a share, 0 to 1, of the default memory, unless UNMASK_MEMORY is set."""
    os.environ.setdefault("UNMASK_MEMORY", f"{50 * share:.2f}%")


class Variable(NamedTuple):
    """One line of the table."""

    name: str
    kind: str
    default: str
    purpose: str
    value: str  # current; empty for the default, hidden for a secret


@lru_cache(maxsize=4)
def names(config: type[LibraryConfig]) -> dict[str, tuple[str, ...]]:
    """Return the names of each field's variable, the preferred one first."""
    return {name: _aliases(field) for name, field in config.model_fields.items()}


def snapshot(config: type[LibraryConfig]) -> Snapshot:
    """Return the environment variables of a configuration, without blank values."""
    # Called for every text of a page: looking up unset variables takes ten times a set operation.
    found = _variables(config).intersection(os.environ)
    values = ((name, os.environ[name].strip()) for name in sorted(found))
    return tuple((name, value) for name, value in values if value)


@lru_cache(maxsize=4)
def _variables(config: type[LibraryConfig]) -> frozenset[str]:
    return frozenset(name for several in names(config).values() for name in several)


def _aliases(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    several = getattr(alias, "choices", [alias])
    return tuple(str(name) for name in several)


def sentence(config: type[LibraryConfig], error: ValidationError) -> str:
    """Return a sentence about the first invalid variable, without the value of a secret."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    fields = config.model_fields.items()
    field = next(field for key, field in fields if name in (key, *_aliases(field)))
    variable = _aliases(field)[0] if name not in _aliases(field) else name
    if first["type"] == "value_error" and str(first["ctx"]["error"]):
        return f"{variable} {first['ctx']['error']}"
    value = os.environ.get(variable, "").strip()
    but = f", not {value!r}" if value and not _is_secret(field) else ""
    return f"{variable} must be {_kind(field)}{but}."


def table(config: LibraryConfig) -> Iterator[Variable]:
    """Yield a line for each variable."""
    for name, field in type(config).model_fields.items():
        extra = field.json_schema_extra
        usual = str(extra["usual"]) if isinstance(extra, dict) else ""
        value = getattr(config, name)
        yield Variable(
            _aliases(field)[0],
            _kind(field),
            usual or _shown(field.default),
            field.description or "",
            "" if value == field.default else "(set)" if _is_secret(field) else _shown(value),
        )


def as_markdown(config: LibraryConfig) -> str:
    """Return the table as Markdown, without current values."""
    lines = ["| variable | type | default | what |", "|---|---|---|---|"]
    for line in table(config):
        lines.append(f"| `{line.name}` | {line.kind} | {line.default} | {line.purpose} |")
    return "\n".join(lines).replace("|  |", "| |") + "\n"


def as_text(config: LibraryConfig) -> str:
    """Return the table for a terminal, with current values."""
    out = []
    for line in table(config):
        now = f"is {line.value}" if line.value else f"not set, {line.default or 'none'}"
        out.append(f"{line.name}\n    {line.purpose}\n    {line.kind}; {now}")
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"docs/\1", "\n".join(out)).replace("`", "")


def _kind(field: FieldInfo) -> str:
    # Pydantic keeps no metadata of `Memory | None`: take that of its first part.
    inner = (getattr(part, "__metadata__", ()) for part in get_args(field.annotation))
    return next(m.text for m in chain(field.metadata, *inner) if isinstance(m, Expected))


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, MemoryAmount):
        return f"{value.number:.0%}" if value.relative else f"{value.number / 1e9:g} GB"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
