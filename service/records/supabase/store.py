"""Records of signed-in people in a Supabase project.

What a person may see and do is decided there, by the policies of supabase/migrations and the token
of their own client: this package adds the owner to every question because an administrator's token
reads more than their own, not because anything here could be relied on to hold back.

The media itself is `service.records.supabase.media`'s.
"""

from __future__ import annotations

import logging
from functools import lru_cache

import httpx
from pydantic import ValidationError

from detector.schema.analysis import CustomEnsemble
from service.records import rules
from service.records.model import Preferences
from service.records.seals import Keyring
from service.records.supabase.analyses import SupabaseAnalyses
from service.records.supabase.rows import storable
from service.records.supabase.shares import SupabaseShares
from service.records.supabase.tables import rows_of

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 8.0
"""that a stranger with a link waits for the service"""


class SupabaseStore(SupabaseAnalyses, SupabaseShares):
    """A `Store` in a Supabase project.

    Parameters
    ----------
    connect : callable
        Gives a client with this person's token, fresh; one of nobody, to open share links. Called
        for every request and from any thread. What it raises passes through.
    seals : Keyring, optional
        Whose seals are believed; without, nobody's.
    """

    def preferences(self, owner: str) -> Preferences:
        try:
            return Preferences.model_validate(self._settings(owner, "preferences").get("") or {})
        except ValidationError:
            return Preferences()

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        self._set(owner, "preferences", "", preferences.model_dump(mode="json"))

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        presets = {}
        for name, value in sorted(self._settings(owner, "preset").items()):
            try:
                presets[name] = CustomEnsemble.model_validate(value)
            except ValidationError:
                log.warning("a preset that another version wrote was left out")
        return presets

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        rules.check_preset(preset, self._settings(owner, "preset"))
        self._set(owner, "preset", preset.name, preset.model_dump(mode="json"))

    def delete_preset(self, owner: str, name: str) -> bool:
        key = {"owner": owner, "kind": "preset", "name": storable(name)}
        return bool(rows_of(self._table("settings").delete().match(key).select("name")))


@lru_cache(maxsize=2)
def with_key(url: str, key: str, seals: Keyring | None = None) -> SupabaseStore:
    """Return the store as whoever has no account, but this key. With the one that browsers may know
    it opens share links, and that is all."""
    from supabase import Client, ClientOptions

    options = ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=httpx.Client(timeout=TIMEOUT_SECONDS),
    )
    client = Client(url, key, options)
    return SupabaseStore(lambda: client, seals)
