"""The Models page: which models there are, what each is good for, and what it costs."""
