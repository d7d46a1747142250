"""Find an analysis again."""

from dashboard.pages.history import view

view.draw()
