"""Known footage: fingerprints of it, an index of them, and what a file shares pictures with.

Knows nothing of analyses: who asks for a file's originals gives its fingerprints.
"""
