"""Account: sign in, make an account, sign out."""

from dashboard.auth import page

page.draw()
