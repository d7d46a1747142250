"""`python -m cli …` is `unmask …`."""

import sys

from cli import main

if __name__ == "__main__":
    sys.exit(main())
