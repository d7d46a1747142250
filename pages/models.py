"""Models: which there are, what each is good for, and what it costs."""

from dashboard.pages import models

models.draw()
