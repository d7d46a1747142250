"""History: the analyses that were kept."""

from dashboard.pages import history

history.draw()
