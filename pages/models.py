"""What each model is good for, and what it costs."""

from dashboard.pages.models import view

view.draw()
