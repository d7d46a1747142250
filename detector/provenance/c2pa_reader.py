"""C2PA manifest reader: the facts of a file's Content Credentials as JSON values.

A manifest is untrusted input of a large native library: `read_manifest` is called in a sandboxed
worker only. Nothing is fetched: remote manifests and revocation lists are not read.
"""

import json
import re
from typing import Any

from detector.provenance.origins import source_type

MAX_DEPTH, MAX_NODES = 12, 4_000  # levels and nodes of assertions that are searched
LISTED = 40  # actions, source types, ingredients and problems that are returned at most
MAX_TEXT = 300


def read_manifest(path: str, trust_anchors: str) -> dict[str, Any]:
    """Return {"state": …} with the manifest's facts; a failure is a state too. `trust_anchors` are
    PEM certificates, or empty."""
    import c2pa  # its native library is loaded in the worker alone

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    }
    if trust_anchors:
        settings["trust"] = {"trust_anchors": trust_anchors}
    try:
        context = c2pa.Context(settings=c2pa.Settings.from_dict(settings))
        with open(path, "rb") as file:
            reader = c2pa.Reader.try_create(file, context=context)
            return {"state": "none"} if reader is None else _summary(json.loads(reader.json()))
    except c2pa.C2paError.NotSupported:
        return {"state": "none"}
    except Exception as error:  # the library's errors differ by their text only
        if elsewhere := re.search(r"fetch remote manifests from url (\S+)", str(error)):
            return {"state": "elsewhere", "address": elsewhere[1][:MAX_TEXT]}
        return {"state": "unreadable", "problems": [str(error)[:MAX_TEXT]]}


def _summary(store: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a manifest store that are shown."""
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
    return list(dict.fromkeys(map(source_type, addresses)))[:LISTED]


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
    """Return the texts under a key, with or without a namespace, anywhere in a tree."""
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
