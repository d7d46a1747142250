"""History: the analyses that were kept."""

from dashboard import history

history.draw()
