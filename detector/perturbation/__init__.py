"""Files changed on purpose, and whether a verdict holds on them."""
