"""The Models page."""

from dashboard.pages.models import view

view.draw()
