"""What people set for themselves: preferences, and ensembles that they named."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from detector.schema.analysis import CustomEnsemble
from service.records import rules
from service.records.model import Preferences
from service.records.supabase.rows import storable, translated_errors
from service.records.supabase.tables import Tables, rows_of

log = logging.getLogger(__name__)


class SupabasePreferences(Tables):
    """The part of a `Store` that holds preferences and presets."""

    def preferences(self, owner: str) -> Preferences:
        found = self._settings(owner, "preferences").get("")
        try:
            return Preferences.model_validate(found or {})
        except ValidationError:
            return Preferences()

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        self._set(owner, "preferences", "", preferences.model_dump(mode="json"))

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        found = {}
        for name, value in sorted(self._settings(owner, "preset").items()):
            try:
                found[name] = CustomEnsemble.model_validate(value)
            except ValidationError:
                log.warning("a preset that another version wrote was left out")
        return found

    def save_preset(self, owner: str, mix: CustomEnsemble) -> None:
        rules.check_preset(mix, self._settings(owner, "preset"))
        self._set(owner, "preset", mix.name, mix.model_dump(mode="json"))

    def delete_preset(self, owner: str, name: str) -> bool:
        with translated_errors():
            rows = (
                self._table("settings")
                .delete()
                .eq("owner", owner)
                .eq("kind", "preset")
                .eq("name", storable(name))
                .select("name")
                .execute()
            )
        return bool(rows_of(rows))
