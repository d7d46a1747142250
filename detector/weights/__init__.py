"""Weight files: find them, verify them, download them, read them.

A file is used only when its sha256 is the one its model's entry states, whether it is bundled, was
downloaded or brought by a person; a network is never left with random or partly loaded weights.
This room knows what a weight file is (`WeightFile`), not what any network looks like.

`store` is where files are and which licenses were accepted, `download` brings one, `files` reads
and converts them, `hub` reads a model's page on Hugging Face.
"""

from detector.weights.download import Progress, check_space, digest, download, offline
from detector.weights.files import (
    as_safetensors,
    load_state,
    load_strict,
    require_fractions,
    whole_numbers,
)
from detector.weights.store import (
    accept_license,
    accepted_license,
    available,
    bring,
    cache,
    delete,
    fetch,
    fetchable,
    locate,
    missing_bytes,
    missing_error,
    require_license,
    resolve,
    take_in,
)

__all__ = [
    "Progress",
    "accept_license",
    "accepted_license",
    "as_safetensors",
    "available",
    "bring",
    "cache",
    "check_space",
    "delete",
    "digest",
    "download",
    "fetch",
    "fetchable",
    "load_state",
    "load_strict",
    "locate",
    "missing_bytes",
    "missing_error",
    "offline",
    "require_fractions",
    "require_license",
    "resolve",
    "take_in",
    "whole_numbers",
]
