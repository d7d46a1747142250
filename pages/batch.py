"""The Batch page."""

from dashboard.pages.batch import view

view.draw()
