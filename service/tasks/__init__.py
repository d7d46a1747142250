"""Background work: what it is, in which order and where it runs."""
