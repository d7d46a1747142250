"""Train detectors by recipes: the CLIP detector, layers over frozen features, sequence models, and
fine-tuning of published detectors.

Each recipe has a `train`; `recipe` lists them.
"""
