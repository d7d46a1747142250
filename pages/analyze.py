"""One file: the drop zone, the run, the result."""

from dashboard.pages.analyze import view

view.draw()
