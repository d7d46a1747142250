"""Detectors: what they are, where their weights are, how they score."""
