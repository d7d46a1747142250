"""Many files at once."""

from dashboard.pages.batch import view

view.draw()
