"""The pages, a line each: the name of its folder in `dashboard/pages`, which is also its path in an
address, and its title. In the order of the navigation; the first is the front page."""

from dashboard.i18n import LazyDict, _

PAGES: LazyDict[str, str] = LazyDict(
    lambda: {
        "analyze": _("Analyze"),
        "live": _("Live"),
        "compare": _("Compare"),
        "evaluate": _("Evaluate"),
        "batch": _("Batch"),
        "history": _("History"),
        "cases": _("Cases"),
        "models": _("Models"),
        "settings": _("Settings"),
        "admin": _("Operator"),
    }
)
