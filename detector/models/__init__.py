"""Detection models: entries, weights, loading and scoring."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its warnings are for its own users
