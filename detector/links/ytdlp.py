"""What runs of yt-dlp, in a process of its own (`detector.links.downloader`): one video of a page,
as one file. Nothing else of ours is imported with it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from detector.errors import UsageError

BY_HAND = "Download the video yourself and send the file."
_SENTENCES: tuple[tuple[str, str, str], ...] = (
    (r"sign.?in|log.?in|logged|cookies|password|private video|members.only|subscri|registered"
     r"|\bage\b",
     "link_sign_in",
     "This video is shown only to who is signed in at its site; we never sign in anywhere."),
    (r"unsupported url|no video formats|no media found|not a valid url", "link_unsupported",
     "No video that can be fetched was found on this page."),
    (r"\bdrm\b", "link_unsupported", "This video is encrypted (DRM) and can't be fetched."),
    (r"not available in your|\bgeo|your country|blocked it in", "link_status",
     "This video is not shown where this server is."),
    (r"live event|will begin|premieres|is live", "link_live",
     "This is a live broadcast. Watch it on the Live page, or send a recording."),
    (r"removed|unavailable|not exist|http error 4(04|10)\b|terminated", "link_status",
     "This video is not there any more."),
    (r"larger than max|too large", "too_large", "The video of this page is too large here."),
)  # fmt: skip
"""What yt-dlp says, as a pattern; a code; what we say. The first that fits."""


_SILENT = logging.Logger("yt-dlp", logging.CRITICAL + 1)
"""Takes what yt-dlp would print: addresses with tokens stand in it."""


def video(url: str, folder: str, proxy: str, max_bytes: int, max_minutes: int) -> str:
    """Write a page's video into a folder and return its name; raise UsageError."""
    from yt_dlp import YoutubeDL

    with YoutubeDL(_options(folder, proxy, max_bytes)) as downloader:
        try:
            found = _one(downloader.extract_info(url, download=False, process=True))
            _check(found, max_bytes, max_minutes)
            downloader.process_ie_result(found, download=True)
        except UsageError:
            raise
        except Exception as error:
            raise explained(str(error)) from None
    files = [path for path in Path(folder).iterdir() if path.is_file() and path.stat().st_size]
    if len(files) != 1:
        raise UsageError(
            "The video of this page is too large here, or did not come whole.",
            code="link_broken",
            hint=BY_HAND,
        )
    return files[0].name


def _options(folder: str, proxy: str, max_bytes: int) -> dict[str, Any]:
    return {
        "proxy": proxy,
        # One file that has picture and sound: joining two would take a program, and none may run.
        "format": "best[vcodec!=none]/best",
        "outtmpl": {"default": f"{folder}/%(title).80B.%(ext)s"},
        "restrictfilenames": True,
        "max_filesize": max_bytes,
        "playlist_items": "1:2",
        "quiet": True, "no_warnings": True, "noprogress": True, "logger": _SILENT,
        "cachedir": False, "updatetime": False, "nopart": True, "overwrites": True,
        "hls_prefer_native": True, "fixup": "never", "postprocessors": [],
        "retries": 2, "fragment_retries": 2, "extractor_retries": 1, "file_access_retries": 0,
        "socket_timeout": 15, "geo_bypass": False, "enable_file_urls": False,
        "skip_unavailable_fragments": False,
    }  # fmt: skip


def _one(found: Any) -> dict[str, Any]:
    """Return the video of what was found on a page, where it is just one."""
    entries = [found]
    while entries and entries[0] is not None and entries[0].get("_type") == "playlist":
        entries = [entry for entry in entries[0].get("entries") or () if entry]
    if len(entries) != 1 or not entries[0]:
        raise UsageError(
            "There are several videos on this page, or none."
            if entries
            else "No video that can be fetched was found on this page.",
            code="link_unsupported",
            hint="Use the address of one of them.",
        )
    return dict(entries[0])


def _check(found: dict[str, Any], max_bytes: int, max_minutes: int) -> None:
    if found.get("is_live") or found.get("live_status") in ("is_live", "is_upcoming"):
        raise UsageError(
            "This is a live broadcast. Watch it on the Live page, or send a recording.",
            code="link_live",
        )
    if (found.get("duration") or 0) > 60 * max_minutes:
        raise UsageError(
            f"This video is longer than {max_minutes} minutes, the limit for pages.",
            code="link_too_long",
            hint="Cut out the part that matters.",
        )
    size = found.get("filesize") or found.get("filesize_approx") or 0
    if size > max_bytes:
        raise UsageError(
            f"The video of this page is larger than {max_bytes >> 20:,} MB, the limit here.",
            code="too_large",
            hint="Cut out the part that matters.",
        )


def explained(said: str) -> UsageError:
    """Return what we say for what yt-dlp said; never its own words, in which addresses stand."""
    plain = re.sub(r"https?://\S+", "", said).lower()
    for pattern, code, sentence in _SENTENCES:
        if re.search(pattern, plain):
            return UsageError(sentence, code=code, hint=BY_HAND)
    return UsageError("No video could be fetched of this page.", code="link_page", hint=BY_HAND)
