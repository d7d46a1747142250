"""Weight files: locate, verify, download and read them.

A file is used only if its sha256 is the one that its model's entry states, whether it is bundled,
downloaded or supplied by the user; no network runs with random or partly loaded weights.
Independent of the networks: only `WeightFile` is known here.

`store` locates files and records accepted licenses, `download` fetches one, `files` reads and
converts them, `hub` reads repositories of the Hugging Face Hub."""

from detector.weights.download import Progress as Progress
from detector.weights.download import check_space as check_space
from detector.weights.download import digest as digest
from detector.weights.download import download as download
from detector.weights.download import offline as offline
from detector.weights.files import as_safetensors as as_safetensors
from detector.weights.files import dequantized as dequantized
from detector.weights.files import load_state as load_state
from detector.weights.files import load_strict as load_strict
from detector.weights.files import require_fractions as require_fractions
from detector.weights.store import accept_license as accept_license
from detector.weights.store import accepted_license as accepted_license
from detector.weights.store import auxiliary as auxiliary
from detector.weights.store import available as available
from detector.weights.store import bring as bring
from detector.weights.store import can_pin as can_pin
from detector.weights.store import delete as delete
from detector.weights.store import fetch as fetch
from detector.weights.store import fetchable as fetchable
from detector.weights.store import locate as locate
from detector.weights.store import missing_bytes as missing_bytes
from detector.weights.store import missing_error as missing_error
from detector.weights.store import pin as pin
from detector.weights.store import pinned as pinned
from detector.weights.store import pins_file as pins_file
from detector.weights.store import require_license as require_license
from detector.weights.store import resolve as resolve
from detector.weights.store import take_in as take_in
