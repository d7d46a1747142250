"""The command line with everything of this folder: `python -m research train residual …`."""

from __future__ import annotations

import sys

from detector.cli import main
from research import register

if __name__ == "__main__":
    register()
    sys.exit(main())
