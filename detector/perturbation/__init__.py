"""Perturbations of files, and the robustness of a verdict under them."""
