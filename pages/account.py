"""Account: sign in, make an account, sign out."""

from dashboard.pages.account import view

view.draw()
