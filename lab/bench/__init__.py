"""Measurements of speed and of what is reached, run by hand in a checkout."""

import os

# Servers and commands that are started may keep what Python compiles, as those of `make` do: where
# a machine is set to keep nothing, each start would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
