"""Experiments that do not ship: networks, recipes and scripts. In no wheel and in no image.

Uses `detector`, which knows nothing of it: `register` tells it what is here.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def register() -> None:
    """Make the library know the families, the recipes and the trainers of this folder."""
    from detector.models import registry
    from detector.training import recipe, run
    from research.training import TRAINERS

    if "research.families" not in registry.FAMILY_PACKAGES:
        registry.FAMILY_PACKAGES.append("research.families")
        recipe.FOLDERS.append(FOLDER / "recipes")
        run.TRAINERS.update(TRAINERS)
