"""The Evaluate page."""

from dashboard.pages.evaluate import view

view.draw()
