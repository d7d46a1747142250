"""Many files at once: a table that fills in live."""
