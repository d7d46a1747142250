"""The History page."""

from dashboard.pages.history import view

view.draw()
