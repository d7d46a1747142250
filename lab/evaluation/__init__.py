"""Calibration on labelled sets, the benchmark, and splits that leave out whole sources."""
