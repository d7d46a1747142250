"""Analyses without what a clock puts into them."""

import copy


def timeless(analysis):
    """Return the JSON of an analysis without its times."""
    tree = copy.deepcopy(analysis) if type(analysis) is dict else analysis.model_dump(mode="json")
    for key in ("created", "timings"):
        tree.pop(key, None)
    for part in (*tree["models"], tree["provenance"] or {}):
        part.pop("seconds", None)
    return tree
