"""Compare: models side by side on one clip, or two clips under one model."""

from dashboard.pages.compare import view

view.draw()
