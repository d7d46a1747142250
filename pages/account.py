"""Sign in, and a person's own account."""

from dashboard.pages.account import view

view.draw()
