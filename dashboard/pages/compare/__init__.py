"""The Compare page: models side by side on one clip, or two clips under one model.

Nothing is scored here: all is drawn from the logits of stored analyses.
"""
