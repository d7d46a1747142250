"""Calibrate on labelled sets, run the benchmark, and split by whole sources."""
