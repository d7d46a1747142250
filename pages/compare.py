"""The Compare page: models side by side on one clip, or two files."""

from dashboard.pages.compare import view

view.draw()
