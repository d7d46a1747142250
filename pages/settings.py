"""Language, appearance, thresholds, retention."""

from dashboard.pages.settings import view

view.draw()
