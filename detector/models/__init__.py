"""Detectors: what they are, where their weights are, how they score."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its warnings are for its own users
