"""What the operator of the server sees and sets."""

from dashboard.pages.admin import view

view.draw()
