"""What the page remembers, in the session."""

NEW_KEY = "admin-key"
"""The key that was just made, shown while its dialog is open and kept nowhere."""
