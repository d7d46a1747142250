"""Evaluate: how often the models are right on files whose answer is known."""

from dashboard.evaluate import page

page.draw()
