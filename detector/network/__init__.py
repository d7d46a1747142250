"""Connections to servers that a file, a link or a redirect names: one rule for public addresses,
and one way to connect to an address that was checked (`addresses`, `transport`).

Not imported here: both need httpx, of the extra `full`."""
