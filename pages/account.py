"""The Account page."""

from dashboard.pages.account import view

view.draw()
