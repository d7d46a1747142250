"""Training: the CLIP detector, Texture's layer, and fine-tuning of other detectors.

Begin at `run.train`, `recipe.read_recipe` and `clip.run.train`. Uses `evaluation` (labels, splits,
metrics), which does not use training.
"""
