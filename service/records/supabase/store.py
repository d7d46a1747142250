"""Records of signed-in people in a Supabase project.

What a person may see and do is decided there, by the policies of supabase/migrations and the token
of their own client: this package adds the owner to every question because an administrator's token
reads more than their own, not because anything here could be relied on to hold back.

The media itself is `service.records.supabase.media`'s.
"""

from __future__ import annotations

from functools import lru_cache

import httpx

from service.records.supabase.analyses import SupabaseAnalyses
from service.records.supabase.preferences import SupabasePreferences
from service.records.supabase.rows import translated_errors
from service.records.supabase.shares import SupabaseShares

TIMEOUT_SECONDS = 8.0
"""that a stranger with a link waits for the service"""


class SupabaseStore(SupabaseAnalyses, SupabaseShares, SupabasePreferences):
    """A `Store` in a Supabase project.

    Parameters
    ----------
    connect : callable
        Gives a client with this person's token, fresh; one of nobody, to open share links. Called
        for every request and from any thread. What it raises passes through.
    """

    def delete_all(self, owner: str) -> list[str]:
        deleted: list[str] = []
        while some := self.ids(owner):
            gone = self.delete(owner, some)
            if not gone:  # another at it, or not allowed: not again and again
                break
            deleted += gone
        with translated_errors():
            self._table("settings").delete(returning="minimal").eq("owner", owner).execute()
        return deleted


@lru_cache(maxsize=2)
def with_key(url: str, key: str) -> SupabaseStore:
    """The store as whoever has no account, but this key. With the one that browsers may know it
    opens share links, and that is all."""
    from supabase import Client, ClientOptions

    options = ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=httpx.Client(timeout=TIMEOUT_SECONDS),
    )
    client = Client(url, key, options)
    return SupabaseStore(lambda: client)
