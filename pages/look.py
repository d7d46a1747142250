"""The Look twice page."""

from dashboard.pages.look import view

view.draw()
