"""Read the C2PA manifest of the file on standard input; print what it says as one JSON object.

Run as a program of its own, never imported: a manifest is a stranger's data for a large native
library, so it is read where it can be stopped and can't take anybody down. It knows nothing of the
rest of the program. Nothing is fetched: manifests kept elsewhere and revocation lists are left.

Standard input: the file (seekable). First argument: PEM file of trust anchors, or nothing.
"""

import contextlib
import json
import re
import resource
import sys
from typing import Any

import c2pa

MEMORY = 2 * 1024**3  # bytes; a manifest is kilobytes, the file itself is hashed in pieces
LIMITS = {"RLIMIT_CPU": 20, "RLIMIT_NOFILE": 64, "RLIMIT_FSIZE": 1 << 20, "RLIMIT_CORE": 0}
"""s, files, bytes of the answer, and no copy of memory on disk"""
MAX_DEPTH, MAX_NODES = 12, 4_000  # levels and nodes of assertions that are searched
LISTED = 40  # actions, source types, ingredients, problems that are handed on
MAX_TEXT = 300


def main() -> None:
    """Print {"state": ..., ...}; any failure is a state too."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for what, bound in LIMITS.items():
            resource.setrlimit(getattr(resource, what), (bound, bound))
    anchors = sys.argv[1] if len(sys.argv) > 1 else ""
    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    }
    if anchors:
        with open(anchors, encoding="utf-8") as file:
            settings["trust"] = {"trust_anchors": file.read()}
    try:
        context = c2pa.Context(settings=c2pa.Settings.from_dict(settings))
        reader = c2pa.Reader.try_create(sys.stdin.buffer, context=context)
        answer = {"state": "none"} if reader is None else _summary(json.loads(reader.json()))
    except c2pa.C2paError.NotSupported:
        answer = {"state": "none"}
    except Exception as error:  # the library's errors are told apart by their text only
        answer = {"state": "unreadable", "problems": [str(error)[:MAX_TEXT]]}
        if elsewhere := re.search(r"fetch remote manifests from url (\S+)", str(error)):
            answer = {"state": "elsewhere", "address": elsewhere[1][:MAX_TEXT]}
    json.dump(answer, sys.stdout)


def _summary(store: dict[str, Any]) -> dict[str, Any]:
    """Return the few things of a manifest store that we show."""
    manifests = store.get("manifests") or {}
    active = manifests.get(store.get("active_manifest")) or {}
    signature = active.get("signature_info") or {}
    results = (store.get("validation_results") or {}).get("activeManifest") or {}
    state = {"Trusted": "trusted", "Valid": "untrusted"}.get(
        store.get("validation_state", ""), "invalid"
    )
    sources: list[str] = []
    for manifest in list(manifests.values())[:LISTED]:
        sources += _values(manifest.get("assertions"), "digitalSourceType")
    created = [a for a in _actions(active) if a.get("action") == "c2pa.created"]
    failures = [
        f.get("code", "")
        for f in results.get("failure") or []
        if f.get("code") != "signingCredential.untrusted"
    ]
    return {
        "state": state,
        "signer": signature.get("common_name"),
        "organization": signature.get("issuer"),
        "signed": signature.get("time"),
        "generator": _program(active),
        "actions": [_action(a) for a in _actions(active)][:LISTED],
        "sources": _last_words(sources),
        "created_by": _last_words(_values(created, "digitalSourceType")),
        "stated": _last_words(_values(active.get("assertions"), "digitalSourceType")),
        "ingredients": [i.get("title") or "" for i in active.get("ingredients") or []][:LISTED],
        "problems": list(dict.fromkeys(failures))[:LISTED],
    }


def _last_words(addresses: list[str]) -> list[str]:
    return list(dict.fromkeys(address.rsplit("/", 1)[-1] for address in addresses))[:LISTED]


def _program(manifest: dict[str, Any]) -> str:
    named = [_agent(info) for info in manifest.get("claim_generator_info") or []]
    return ", ".join(n for n in named if n) or str(manifest.get("claim_generator") or "")


def _agent(agent: Any) -> str:
    if isinstance(agent, dict):
        return f"{agent.get('name', '')} {agent.get('version', '')}".strip()
    return str(agent or "")


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        and isinstance(data := assertion.get("data"), dict)
        for action in data.get("actions") or []
        if isinstance(action, dict)
    ]


def _action(action: dict[str, Any]) -> str:
    what = str(action.get("action", "")).removeprefix("c2pa.")
    agent = _agent(action.get("softwareAgent"))
    when = action.get("when")
    return " ".join(p for p in (what, f"with {agent}" if agent else "", str(when or "")) if p)


def _values(tree: Any, key: str) -> list[str]:
    """Texts under a key (with or without a namespace) anywhere in a tree, within bounds."""
    values: list[str] = []
    level, depth, nodes = [tree], 0, 0
    while level and depth < MAX_DEPTH:
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                for name, value in node.items():
                    matches = str(name).split(":")[-1].lower() == key.lower()
                    (values if matches and isinstance(value, str) else below).append(value)
            elif isinstance(node, list):
                below += node
        nodes += len(below)
        level, depth = below if nodes < MAX_NODES else [], depth + 1
    return values


if __name__ == "__main__":
    main()
