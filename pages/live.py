"""A camera in, a steady reading out."""

from dashboard.pages.live import view

view.draw()
