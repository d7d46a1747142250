"""Download of the video of a web page, off unless UNMASK_YTDLP is set.

yt-dlp runs in a worker that can reach one port and one folder (`detector.isolation`); behind the
port, `ytdlp.proxy` applies the rules of links to each connection. It limits neither which
public hosts are contacted nor encrypted content; without such process limits (macOS, Linux before
6.7) yt-dlp could bypass its proxy."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from detector.errors import Canceled, CancellationToken, MediaError, UsageError
from detector.isolation import Limits, Sandbox
from detector.network.addresses import LinkRefused, LinkRules, Resolve
from detector.sentences import _
from ytdlp.proxy import LinkProxy
from ytdlp.runner import BY_HAND, video

MAX_MINUTES = 120  # of a video: longer ones are a film or a stream
_LIMITS = Limits(memory=2 << 30, cpu=300, timeout=120.0, files=64, frame=1)
"""Limits for a page's scripts and a video's fragments; `LinkRules` bounds the time."""
OVERHEAD = 1.2  # traffic allowed for each byte of the file: pages, and fragments loaded twice


def download(
    url: str,
    target: BinaryIO,
    rules: LinkRules,
    *,
    on_bytes: Callable[[int], object] = lambda count: None,
    cancel: threading.Event | None = None,
    resolve: Resolve | None = None,
) -> tuple[str, int, dict[str, str]]:
    """Download the video of a page; return its name, its bytes and who posted it. Parameters and
    errors as `detector.links.fetch`."""
    end = CancellationToken(cancel or threading.Event())
    all_of_it = replace(rules, max_bytes=int(rules.max_bytes * OVERHEAD))
    with (
        tempfile.TemporaryDirectory(prefix="unmask-") as folder,
        LinkProxy(all_of_it, end, on_bytes=on_bytes, resolve=resolve) as proxy,
        Sandbox(_LIMITS) as box,
    ):
        try:
            found: dict[str, str] = box.call(
                video,
                url,
                folder,
                proxy.url,
                rules.max_bytes,
                MAX_MINUTES,
                returns=dict[str, str],
                reads=(),
                writes=Path(folder),
                port=proxy.port,
                timeout=rules.seconds,
                cancel=end,
            )
            if end.is_set():
                raise Canceled  # a truncated file may pass for a short video
        except Canceled:
            if proxy.full:
                raise _too_large(rules.max_bytes) from None
            raise
        except MediaError as error:
            raise _explained(error, proxy, rules) from error
        except UsageError as error:
            if error.code == "link_page" and proxy.refused is not None:
                raise proxy.refused from error
            raise LinkRefused(error.message, code=error.code, hint=error.hint) from error
        file = Path(folder) / Path(found.pop("name")).name
        if file.is_symlink() or not file.is_file():
            raise LinkRefused(_("No video came of this page."), code="link_page", hint=BY_HAND)
        size = file.stat().st_size
        if size > rules.max_bytes:
            raise _too_large(rules.max_bytes)
        with file.open("rb") as source:
            shutil.copyfileobj(source, target)
        return file.name, size, found


def _explained(error: MediaError, proxy: LinkProxy, rules: LinkRules) -> LinkRefused:
    if proxy.refused is not None and error.code != "reader_timeout":
        return proxy.refused
    if error.code == "reader_timeout":
        return LinkRefused(
            _("The video was not here after {seconds} s.").format(seconds=f"{rules.seconds:.0f}"),
            code="link_slow",
            hint=BY_HAND,
        )
    text = _("The program that looks for the video on this page failed.")
    return LinkRefused(text, code="link_page", hint=BY_HAND)


def _too_large(most: int) -> LinkRefused:
    text = _("The video of this page is larger than {most} MB, the limit here.")
    hint = _("Cut out the part that matters.")
    return LinkRefused(text.format(most=f"{most / (1 << 20):,.0f}"), code="too_large", hint=hint)
