"""The History page: find an analysis again, and forward it in two clicks.

`asked` is what is looked for, `listing` the table and, on a phone, cards; `preview` shows one
record with what a person wrote to it; `dialogs` delete and share; `export` makes files; `guest`
offers an account what its browser analyzed before. Nothing is
computed again here: what is shown stands in the records (`service.records`).
"""

from dashboard.pages.history.view import draw as draw
