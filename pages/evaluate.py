"""Evaluate: how often the models are right on files whose answer is known."""

from dashboard.pages.evaluate import view

view.draw()
