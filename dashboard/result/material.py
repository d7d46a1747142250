"""Coverage and quality of the material, below the player."""

from collections.abc import Sequence

from markupsafe import Markup

from dashboard.components import blocks, figures
from dashboard.components.markup import show
from dashboard.components.tables import facts
from detector.presentation import measured, series
from detector.schema.analysis import Analysis, Evidence
from detector.sentences import _


def draw(analysis: Analysis) -> None:
    """Draw both into the container at hand."""
    if material := ticks(analysis) + rated(analysis.evidence):
        show(figures.material(material))


def ticks(analysis: Analysis) -> Markup:
    """Return the scored moments on the clip's axis; a gap is a gap."""
    if analysis.media.kind == "image" or not analysis.timestamps:
        return Markup()
    top = next((t for t in analysis.judged if t.id == analysis.verdict.subject), None)
    scored = [face.time for face in top.frames if face.score is not None] if top else []
    end = series.length(analysis)
    length, spoken, looked = measured.looks(analysis, len(scored))
    places = [time / end for time in scored]
    return figures.marks(_("Looked at"), length, places, spoken, looked)


def rated(items: Sequence[Evidence]) -> Markup:
    """Return ratings, a line each."""
    return facts(map(blocks.pair, measured.material(items)), cls="um-facts um-evidence")
