"""Labelled sets: scores, metrics, calibration and tables."""
