"""The Analyze page: drop zone, run, result."""

from dashboard.pages.analyze import view

view.draw()
