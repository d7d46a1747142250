"""Known footage: fingerprints of it, an index of them, and what a file shares pictures with.

Knows nothing of analyses: callers look a file's originals up by its fingerprints.
"""
