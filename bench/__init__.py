"""Measurements of speed and of what is reached, run by hand."""
