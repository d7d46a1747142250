"""Protection against formula injection in tables for spreadsheets."""


def inert(value: object) -> object:
    """Return a cell, escaped if a spreadsheet would run it as a formula."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
