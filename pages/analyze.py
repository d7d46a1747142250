"""Analyze: drop in a file, see a verdict and the evidence for it."""

from dashboard import analyze

analyze.draw()
