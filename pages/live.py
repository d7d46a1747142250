"""The Live page."""

from dashboard.pages.live import view

view.draw()
