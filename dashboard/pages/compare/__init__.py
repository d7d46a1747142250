"""The Compare page: models side by side on one clip, or two clips under one model.

`chosen` is what is compared, all of it in the address, so that a link reopens it. `lanes`,
`looked`, `agree` and `cost` are the cards of the first, `pair` is the second, `builder` puts an
ensemble together. Nothing is scored here: all is drawn from the logits of analyses that are kept.
"""
