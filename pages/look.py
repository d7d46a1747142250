"""Look twice: guess before the verdict is shown."""

from dashboard.pages.look import view

view.draw()
