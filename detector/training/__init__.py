"""What made the bundled weights, and fine-tuning: recipes, faces cut once, the loop.

Begin at `run.train` and `recipe.read_recipe`. Uses `evaluation` (labels, splits, metrics), which
knows nothing of training.
"""
