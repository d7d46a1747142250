"""Analyze: drop in a file, see a verdict and the evidence for it."""

from dashboard.pages.analyze import view

view.draw()
