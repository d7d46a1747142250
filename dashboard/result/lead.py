"""The sentence under a result's headline, in the language of whoever looks, the person in bold."""

from dashboard import labels
from dashboard.components.markup import Text, join
from dashboard.components.typography import strong
from dashboard.i18n import speech
from detector.messages import lead
from detector.schema.analysis import Analysis


def sentence(analysis: Analysis) -> Text:
    """Return the lead sentence or two."""
    said = labels.unbroken(lead.sentence(analysis, speech()))
    top = next((s for s in analysis.judged if s.id == analysis.verdict.subject), None)
    before, name, after = said.partition(lead.person(top, speech()) if top else said)
    return join([before, strong(name), after]) if before and name else said


def others(analysis: Analysis) -> str:
    """Return the text about everybody whom the verdict is not about; empty without any."""
    return lead.others(analysis, speech())


def detail(analysis: Analysis) -> str:
    """Return what stands under the lead sentence in small: more of why there is no verdict."""
    why = lead.reason(analysis)
    text = labels.say_small(why) if why else ""
    return f"{labels.capital(text.rstrip('.'))}." if text else ""
