"""Compare: models side by side on one clip, or two clips under one model."""

from dashboard.compare import page

page.draw()
