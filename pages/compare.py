"""Models side by side on one clip, or two clips side by side."""

from dashboard.pages.compare import view

view.draw()
