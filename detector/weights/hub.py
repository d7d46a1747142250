"""Hugging Face Hub: repository listings and files, by `huggingface_hub`.

Only settings and tensors are downloaded. Code in a repository is never downloaded, so it can never
run."""

import json
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, errors, hf_hub_download, hf_hub_url

from detector import paths
from detector.errors import UsageError, WeightsError
from detector.sentences import _
from detector.weights.download import (
    Progress,
    digest,
    download,
    endpoint,
    first_line,
    no_connection,
    refused,
    require_online,
)
from detector.weights.entry import WeightFile

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # In the order in which they are preferred

MAX_SETTINGS = 1 << 20  # Bytes of a file of settings: theirs have one or two kilobytes


_NAME = re.compile(r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class HubModel:
    """A repository at one commit."""

    repo: str  # owner/name
    revision: str  # The commit, in full
    license: str | None  # As its page states it
    files: dict[str, WeightFile]  # By name. The hub states `sha256` for large ones only.
    config: dict[str, Any] = field(default_factory=dict)
    preprocessor: dict[str, Any] = field(default_factory=dict)
    """Settings; empty before they are read or if there are none."""

    @property
    def size(self) -> int:
        """Return the bytes to download."""
        return sum(file.size or 0 for file in self.files.values())

    @property
    def labels(self) -> dict[int, str]:
        """Return its class names by number, generic ones if it states none."""
        named = self.config.get("id2label")
        if isinstance(named, dict) and named:
            return {int(index): str(label) for index, label in named.items()}
        count = self.config.get("num_labels", self.config.get("num_classes", 2))
        return {index: f"LABEL_{index}" for index in range(int(count))}

    @property
    def folder(self) -> Path:
        """Return the folder of its downloads."""
        return paths.weights() / "hub" / self.repo.replace("/", "--") / self.revision


def inspect(name: str) -> HubModel:
    """Return a repository, "hf:owner/name" or "hf:owner/name@revision", with the required files;
    its settings are read, its weights not yet. Raise UsageError for another name, WeightsError if
    it can't be read (code "refused"), holds no supported weights, or the hub can't be reached."""
    repo, revision = parse(name)
    model = listing(repo, revision)
    weights = next((name for name in WEIGHTS if name in model.files), None)
    if CONFIG not in model.files:
        text = _("{repo} has no {config}, so nothing says how its network is built.")
        raise WeightsError(text.format(repo=repo, config=CONFIG), code="not_supported")
    if weights is None:
        text = _("{repo} has neither {weights}. Unmask reads weights in one such file.")
        raise WeightsError(
            text.format(repo=repo, weights=" nor ".join(WEIGHTS)), code="not_supported"
        )
    settings: dict[str, Any] = {}
    for key, name in (("config", CONFIG), ("preprocessor", PREPROCESSOR)):
        if file := model.files.get(name):
            if (file.size or 0) > MAX_SETTINGS:
                text = _("{name} of {repo} has {size} bytes; settings have few.")
                raise WeightsError(text.format(name=name, repo=repo, size=f"{file.size:,}"))
            settings[key] = _settings(model, file)
    needed = [name for name in (CONFIG, PREPROCESSOR, weights) if name in model.files]
    return replace(model, files={name: model.files[name] for name in needed}, **settings)


def listing(repo: str, revision: str | None = None) -> HubModel:
    """Return a repository with its files at a revision, by default the newest; raise
    WeightsError."""
    require_online(repo)
    with _raise_in_words(repo):
        info = HfApi(endpoint=endpoint()).model_info(repo, revision=revision, files_metadata=True)
    return HubModel(
        repo,
        info.sha or revision or "main",
        info.card_data.get("license") if info.card_data else None,
        {
            s.rfilename: WeightFile(
                path=s.rfilename, size=s.size or 0, sha256=s.lfs.sha256 if s.lfs else None
            )
            for s in info.siblings or []
        },
    )


def parse(name: str) -> tuple[str, str | None]:
    """Split "hf:owner/name@revision"; raise UsageError for another name."""
    match = _NAME.fullmatch(name.strip().removeprefix("https://huggingface.co/"))
    if not match or ".." in name:
        hint = _("Say hf:owner/name.")
        raise UsageError(_("{name} is not a model of the hub.").format(name=repr(name)), hint=hint)
    return match[1], match[2]


def download_files(model: HubModel, progress: Progress | None = None) -> list[Path]:
    """Download the files of a repository, in their order, resuming partial ones. `progress(done,
    total)` in bytes may raise to stop. Raise WeightsError as `inspect`, for a full disk or a wrong
    hash."""
    paths, done = [], 0
    for file in model.files.values():

        def on_progress(received: int, _size: int, before: int = done) -> None:
            if progress:
                progress(before + received, model.size)

        paths.append(_download(model, file, on_progress))
        done += file.size or 0
        on_progress(file.size or 0, 0)
    return paths


def discard(model: HubModel) -> None:
    """Delete the downloads of `download_files`."""
    shutil.rmtree(model.folder, ignore_errors=True)
    parent = model.folder.parent
    if parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()


def _download(model: HubModel, file: WeightFile, on_progress: Progress) -> Path:
    """Download settings by the hub's client, weights by `download`."""
    path = model.folder / file.path
    if file.sha256 is None:
        return small(model.repo, model.revision, file.path, model.folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.locked(path.with_name(f"{path.name}.lock")):
        if not path.is_file() or digest(path) != file.sha256:
            url = hf_hub_url(model.repo, file.path, revision=model.revision, endpoint=endpoint())
            download(file.model_copy(update={"url": url}), path, on_progress)
    return path


def small(repo: str, revision: str, name: str, folder: Path) -> Path:
    """Download a small file by the hub's client."""
    require_online(repo)
    with _raise_in_words(repo):
        hf_hub_download(repo, name, revision=revision, local_dir=folder, endpoint=endpoint())
    return folder / name


def _settings(model: HubModel, file: WeightFile) -> dict[str, Any]:
    path = _download(model, file, lambda _received, _size: None)
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = _("{path} of {repo} can't be read: {error}")
        raise WeightsError(text.format(path=file.path, repo=model.repo, error=error)) from error
    if not isinstance(tree, dict):
        raise WeightsError(
            _("{path} of {repo} holds no settings.").format(path=file.path, repo=model.repo)
        )
    return tree


@contextmanager
def _raise_in_words(repo: str) -> Iterator[None]:
    page = f"{endpoint()}/{repo}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise refused(page, 403) from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(
            _("{repo} has no such revision.").format(repo=repo), code="not_found"
        ) from error
    except errors.RepositoryNotFoundError as error:
        # The hub answers 401 for private and for unknown repositories.
        text = _("There is no model {repo} on {endpoint}, or it is private.")
        hint = _("Check its name; for a private one set HF_TOKEN.")
        raise WeightsError(
            text.format(repo=repo, endpoint=endpoint()), code="not_found", hint=hint
        ) from error
    except errors.EntryNotFoundError as error:
        raise WeightsError(
            _("{repo} lacks a file: {error}").format(repo=repo, error=first_line(error)),
            code="not_found",
        ) from error
    except errors.OfflineModeIsEnabled as error:
        text = _("{repo} is not downloaded: the hub's client is offline (HF_HUB_OFFLINE is set).")
        raise WeightsError(text.format(repo=repo), code="offline") from error
    except errors.HFValidationError as error:
        text = _("{repo} is not a model of the hub: {error}")
        raise UsageError(text.format(repo=repr(repo), error=first_line(error))) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise refused(page, status) from error
    except Exception as error:
        home = type(error).__module__.split(".")[0]  # whichever library the client uses
        lost = isinstance(error, (ConnectionError, TimeoutError, socket.gaierror))
        if lost or home in {"httpx", "httpx2", "httpcore", "requests"}:
            raise no_connection(page, error) from error
        if isinstance(error, OSError):
            raise WeightsError(
                _("A file of {repo} can't be written: {error}.").format(
                    repo=repo, error=error.strerror or first_line(error)
                )
            ) from error
        raise
