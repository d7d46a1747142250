"""One file an architecture, and nothing else."""
