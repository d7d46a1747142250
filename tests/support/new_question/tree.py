"""A copy of the product with a new question, made of five files."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.new_question import entry

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
ADDED = {
    "extractor.py": "detector/pipeline/modalities/background.py",
    "family.py": "detector/models/families/backdrop.py",
    "catalog.toml": "weights/catalog/backdrop.toml",
    "card.py": "dashboard/result/cards/scenery.py",
}
"""New files; the fifth is the entry in `detector/questions.py`."""
PRODUCT = (
    "detector", "service", "dashboard", "cli", "pages", "plugins", "weights", "tests/support",
)  # fmt: skip


def make(folder: Path) -> Path:
    """Copy the product and its test support into `folder`, and add the question."""
    unread = shutil.ignore_patterns("__pycache__", "*.safetensors", ".hypothesis")
    for name in PRODUCT:
        shutil.copytree(ROOT / name, folder / name, ignore=unread)
    for name in ("app.py", "pyproject.toml", "tests/conftest.py", ".streamlit"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder / name)
    for weights in (ROOT / "weights").rglob("*.safetensors"):
        (folder / weights.relative_to(ROOT)).symlink_to(weights)
    for source, target in ADDED.items():
        assert not (folder / target).exists()
        shutil.copy(HERE / source, folder / target)
    registry = folder / "detector" / "questions.py"
    registry.write_text(_with_entry(registry.read_text("utf-8")), "utf-8")
    return folder


def _with_entry(text: str) -> str:
    """Return the registry's source with the question's entry."""
    for place, added in (
        ('"voice"]\n', entry.TASK),
        ("\n    @property\n    def spec(self) -> QuestionSpec:", entry.QUESTION_NAME),
        ("\n    @property\n    def spec(self) -> ModalitySpec:", entry.MODALITY_NAME),
        ("}\n\n\n@dataclass(frozen=True, kw_only=True)\nclass QuestionSpec", entry.MODALITY),
        ('}\n"""In display order', entry.QUESTION),
    ):
        assert text.count(place) == 1, place
        text = text.replace(place, added + place)
    return text
