"""Known footage: fingerprints, an index of them, and search by a file's fingerprints.

Knows nothing of analyses: callers look up a file's originals by its fingerprints.
"""
