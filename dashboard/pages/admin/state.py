"""What the page remembers, in the session."""

from __future__ import annotations

NOTICE = "admin-said"
"""The outcome of the last action, said once."""
NEW_KEY = "admin-key"
"""The key that was just made; it is shown while its dialog is open and kept nowhere."""
