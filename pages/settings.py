"""The Settings page."""

from dashboard.pages.settings import view

view.draw()
