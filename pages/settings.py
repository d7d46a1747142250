"""Settings: thresholds by your own clips, and what this installation is set to."""

from dashboard.pages.settings import view

view.draw()
