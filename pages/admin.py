"""The Admin page of the operator."""

from dashboard.pages.admin import view

view.draw()
