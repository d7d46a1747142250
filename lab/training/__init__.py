"""Training: the CLIP detector, Texture's layer, and fine-tuning of other detectors.

Each recipe has a `train`; `recipe` lists them. Uses `evaluation` (labels, splits, metrics), which
does not use training.
"""
