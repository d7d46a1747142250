"""The Cases page."""

from dashboard.pages.cases import view

view.draw()
