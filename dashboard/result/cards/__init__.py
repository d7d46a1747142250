"""Cards that a question adds to its result: a module of the question's name with
`draw(analysis, linked)`, which draws nothing where there is nothing to show.
"""

from importlib import import_module
from pkgutil import iter_modules

from dashboard.result.linked import ResultViewState
from detector.schema.analysis import Analysis


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the cards of the questions that the file was asked."""
    named = {module.name for module in iter_modules(__path__)}
    for question in analysis.verdict.answers:
        if question in named:
            import_module(f"{__name__}.{question}").draw(analysis, linked)
