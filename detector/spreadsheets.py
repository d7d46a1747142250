"""Untrusted text in a table that is opened in a spreadsheet."""


def inert(value: object) -> object:
    """Return a cell as it is, or as text where a spreadsheet would run it as a formula."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
