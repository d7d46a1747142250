"""Signals, one file each; `detector.signals.measure` discovers them."""
