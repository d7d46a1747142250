"""How good the models are on a person's own labelled files."""

from dashboard.pages.evaluate import view

view.draw()
