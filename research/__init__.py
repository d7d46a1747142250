"""Answers of experiments, and the training of the voice model. In no wheel and in no image."""
