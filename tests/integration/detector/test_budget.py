"""A file that takes too much memory or time ends with a sentence, and nothing else with it."""

import json
import threading
import time

import numpy as np
import pytest
from PIL import Image

from cli import main
from detector.batch import BatchOptions, BatchRun, read_source
from detector.errors import CancellationToken, MediaError
from detector.pipeline import Analyzer, budget, planning
from detector.schema.analysis import Analysis, Settings
from detector.vision import FaceSearch
from tests.conftest import write_clip

MB = 1024**2
HUNGRY = (320, 240)
SETTINGS = Settings(frames=12, models=["texture"])


@pytest.fixture
def files(tmp_path, astronaut):
    folder = tmp_path / "files"
    folder.mkdir()
    Image.fromarray(astronaut).save(folder / "a.png")
    write_clip(folder / "b.mp4", seconds=1, size=HUNGRY)
    write_clip(folder / "c.mp4", seconds=1, size=(480, 360))
    return folder


of_linux = pytest.mark.skipif(not budget.taken(), reason="elsewhere memory is not known")


@pytest.fixture
def hoarding(monkeypatch):
    """The clip of `HUNGRY` takes 200 MB a frame, slowly enough to be watched, and 1 GB is allowed
    above the models. How many frames it came to have, each time it was looked at."""
    Analyzer().warm_up(["texture"])
    hoard, find = [], FaceSearch.find

    def found(self, time, rgb):
        if rgb.shape[:2] == HUNGRY[::-1]:
            self.hoard = [*getattr(self, "hoard", ()), np.ones(200 * MB, np.uint8)]
            threading.Event().wait(3 * budget.LOOK_SECONDS)
            hoard.append(len(self.hoard))
        return find(self, time, rgb)

    monkeypatch.setattr(FaceSearch, "find", found)
    monkeypatch.setattr(budget, "MEMORY", 1024 * MB)
    monkeypatch.setattr(budget, "BESIDE", 256 * MB)
    return hoard


@of_linux
@pytest.mark.parametrize("parallel", [1, 3])
def test_a_batch_loses_the_file_that_takes_too_much_memory_alone(
    files, tmp_path, hoarding, parallel
):
    options = BatchOptions(settings=SETTINGS, parallel=parallel)
    with BatchRun(tmp_path / "out", options) as batch:
        tally = batch.run(read_source(files).entries)
    assert (tally.analyzed, tally.failed, tally.ours) == (2, 1, 0)
    journal = (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in journal]
    errors = {line["file"]: line["error"] for line in lines if "error" in line}
    assert list(errors) == ["b.mp4"] and errors["b.mp4"]["code"] == "analysis_memory"
    assert errors["b.mp4"]["message"] == "This file needs more memory than allowed."
    assert max(hoarding) < 12  # it was stopped on the way


@of_linux
def test_the_command_goes_on_after_it(files, hoarding, capsys):
    words = ["--models", "texture", "--frames", "12", "--json", "-"]
    paths = [str(files / name) for name in ("b.mp4", "a.png", "c.mp4")]
    assert main(["analyze", *paths, *words]) == 2
    first, *others = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["error"]["code"] == "analysis_memory"
    assert [Analysis.model_validate(one).media.name for one in others] == ["a.png", "c.mp4"]


def test_ten_times_the_estimate_is_the_end(files, monkeypatch):
    monkeypatch.setattr(planning, "expected", lambda *_: 0.02)
    with pytest.raises(MediaError, match="needs more time than allowed") as raised:
        Analyzer().analyze(files / "c.mp4", Settings(frames=25, models=["texture"]))
    assert raised.value.code == "analysis_timeout"
    monkeypatch.undo()
    assert Analyzer().analyze(files / "c.mp4", SETTINGS).timestamps


def test_a_paused_run_is_charged_no_time(files, monkeypatch):
    monkeypatch.setattr(planning, "expected", lambda *_: 0.3)
    paused = []

    def others_work(progress):
        if progress.sampled and not paused:
            paused.append(progress)
            end = time.process_time() + 2 * budget.TIMES * 0.3
            while time.process_time() < end:
                pass

    analyzer = Analyzer()
    analyzer.warm_up(["texture"])
    assert analyzer.analyze(files / "c.mp4", SETTINGS, observe=others_work).timestamps and paused


def test_a_process_that_was_stopped_for_an_hour_goes_on():
    run = budget.RunBudget(CancellationToken(threading.Event()), alone=True)
    run.seconds = 1.0
    run.look(memory=0, worked=0.1, waited=3600.0, runs=1)
    run.check()


def test_an_estimate_grows_with_what_is_to_be_done(files):
    about = Analyzer().analyze(files / "c.mp4", SETTINGS).media
    few, more = (planning.expected(about, SETTINGS, 3, frames) for frames in (12, 120))
    assert few < planning.expected(about, SETTINGS, 6, 12) and few < more
    hour = about.model_copy(update={"duration": 3600.0, "width": 3840, "height": 2160})
    assert planning.expected(hour, SETTINGS, 3, 12) > 10 * few
