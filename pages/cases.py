"""Analyses, links and notes that belong together."""

from dashboard.pages.cases import view

view.draw()
