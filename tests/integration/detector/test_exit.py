"""The end of a process while networks are loaded: no abort in native code, no core dump."""

import subprocess
import sys
import textwrap

import pytest

from tests.support.waiting import PATIENT

LOADS = """
    import threading
    from detector import analyze
    from detector.models import registry
    from detector.pipeline import Analyzer

    begun, load = threading.Event(), registry.load_model

    def noticed(*arguments, **options):
        begun.set()
        return load(*arguments, **options)

    registry.load_model = noticed
    work = {work}
    threading.Thread(target=work, daemon=True).start()
    assert begun.wait({patience})
"""


@pytest.mark.parametrize("works", ["Analyzer().warm_up", "lambda: analyze({clip!r})"])
def test_a_process_may_end_while_networks_are_loaded(works, clip):
    program = textwrap.dedent(LOADS).format(work=works.format(clip=str(clip)), patience=PATIENT)
    for _attempt in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, timeout=PATIENT, check=False,
        )  # fmt: skip
        assert (done.returncode, "terminate called" in done.stderr) == (0, False), done.stderr
