"""Live: a camera in, a steady reading out."""

from dashboard.live import page

page.draw()
