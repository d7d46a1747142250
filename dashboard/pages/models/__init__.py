"""The Models page: which models there are, what each is good for, and what it costs.

`page` is the page, `card` one model's label and its full card, `bring` the ways to add a model of
one's own. `detector.models.inventory` knows the state of every model; nothing is judged here.
"""

from dashboard.pages.models.view import draw as draw
