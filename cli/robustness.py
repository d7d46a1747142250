"""`unmask robustness`: stability of the verdict under compression, blur, noise and other
changes."""

from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, given, ids, reading, refuse_link, write_result
from cli.options import Device, Json, Models, opt
from detector.decision import decide
from detector.perturbation.conditions import NONE, parse
from detector.perturbation.robustness import USUAL, try_out
from detector.pipeline import Analyzer
from detector.presentation import brief
from detector.schema.analysis import Settings
from detector.sentences import _


def robustness(
    path: Path,
    models: Models = None,
    conditions: Annotated[
        str | None,
        opt("instead of the usual: crf-32,resize-0.5,mirror or mp3-32,phone,snr-10", "NAME,NAME"),
    ] = None,
    json: Json = None,
    device: Device = "auto",
) -> int:
    """Analyze a part of a file again: pictures and clips compressed, blurred …, sounds as MP3, over
    a telephone, in noise …"""
    refuse_link(path)
    path = given(path)
    wanted = parse(conditions) if conditions else USUAL
    analyzer = Analyzer(device=device)
    analysis = analyzer.analyze(path, Settings(models=ids(models)))
    bar = ProgressBar(_("changes tried"))
    tried = try_out(
        path,
        analysis,
        analyzer,
        conditions=[condition for condition in wanted if condition != NONE],
        on_progress=lambda done, total, _: bar(done, total),
    )
    analysis = decide(analysis.model_copy(update={"robustness": tried}))
    with reading():
        lines = brief.of_robustness(analysis, analysis.robustness or tried)
    write_result(json, analysis.model_dump(mode="json"), *lines)
    return 0
