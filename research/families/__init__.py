"""Architectures that were tried and do not ship."""
