"""What a killed server leaves of background work. Real processes."""

import signal

from service.records.model import State
from service.tasks.calibrations import Calibrations
from tests.support.processes import python
from tests.support.tasks import ANN, BEN, make_tasks

VICTIM = """
import io, os, signal, sys
from pathlib import Path
sys.path.insert(0, ".")
from service.tasks.calibrations import CalibrationRequest, Calibrations
from tests.support.tasks import ANN, make_tasks

data = Path(sys.argv[1])
calibrations = Calibrations(make_tasks(data), lambda: os.kill(os.getpid(), signal.SIGKILL), data)
clips = calibrations.keep_clips([("a.mp4", io.BytesIO(b"x"))])
calibrations.start(CalibrationRequest(clips, None, 0.05, "", uploads=clips[0].parent), ANN)
import time; time.sleep(60)
"""


def test_a_killed_server_leaves_nobodys_clips(tmp_path):
    assert python("-c", VICTIM, tmp_path).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("own-clips-*"))) == 1
    tasks = make_tasks(tmp_path)
    calibrations = Calibrations(tasks, lambda: None, tmp_path)
    tasks.recover()
    assert not list(tmp_path.glob("own-clips-*"))
    run = calibrations.current(ANN)
    assert run.state is State.INTERRUPTED and "Start it again" in run.error
    assert calibrations.current(BEN) is None
    tasks.close()
