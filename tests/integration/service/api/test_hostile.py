"""Strangers at a server: uploads that end in the middle, a thousand of them; hostile files through
the API, with the network watched; texts of a megabyte and of another direction."""

from __future__ import annotations

import gc
import io
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.application import Application
from tests.conftest import write_clip
from tests.support.waiting import PATIENT, until

ROOT = Path(__file__).resolve().parents[4]
ABORTS = 1000
SMALL = {"frames": "1", "models": "pairs"}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> float:
    """MiB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def abort(port: int, number: int) -> None:
    """Begin an upload of a megabyte and go, after some of it, in one of four ways."""
    head = (
        b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    sent = [head[:60], head, head + part, head + part + bytes(30_000)][number % 4]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        if number % 2:  # as a cable that is pulled
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.sendall(sent)


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux says of a process")
def test_a_thousand_uploads_that_end_in_the_middle_leave_nothing(
    application: Application, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    port = int(url.rsplit(":", 1)[1])

    def settled(files: int) -> bool:
        return open_files() <= files + 3 and not list(application.jobs.uploads.root.iterdir())

    for number in range(100):  # what is imported and remembered once
        abort(port, number)
    gc.collect()
    until(lambda: httpx.get(f"{url}/healthz", timeout=30).status_code == 200)
    files, threads, memory = open_files(), threading.active_count(), resident()
    for number in range(ABORTS):
        abort(port, number)
    until(lambda: settled(files))
    gc.collect()
    # Worker threads are made as they are needed, 40 at most (AnyIO); a leak would be 1,000.
    assert threading.active_count() <= threads + 40
    assert resident() - memory < 40
    assert list(temporary.iterdir()) == []
    assert application.jobs.store.ids("local") == [] and application.jobs.busy() == []
    small = {"file": ("clip.mp4", b"content", "video/mp4")}
    assert httpx.post(f"{url}/v1/analyses", files=small, timeout=PATIENT).status_code == 202


# --- nothing calls home ---------------------------------------------------------------------------

WATCH = """
import os, sys
out = os.open(os.environ["WATCHED"], os.O_APPEND | os.O_WRONLY)
def watch(name, arguments):
    if name in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[1] if name in ("socket.connect", "socket.sendto") else arguments[0]
        os.write(out, f"{os.getpid()} {name} {address!r}\\n".encode())
sys.addaudithook(watch)
"""


class Bait:
    """A port of this computer that hostile files point at. Nobody is to come."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    def came(self) -> int:
        count = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._listener.close()


@contextmanager
def watched(data: Path, log: Path) -> Iterator[str]:
    """A real server whose every connection and name that is asked for is written down."""
    (data / "site").mkdir(parents=True)
    (data / "site" / "sitecustomize.py").write_text(WATCH)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "UNMASK_DATA": str(data), "WATCHED": str(log), "UNMASK_WARM_UP": "off",
        "PYTHONPATH": f"{data / 'site'}:{ROOT}", "UNMASK_ADDRESS_FILES_PER_HOUR": "0",
    }  # fmt: skip
    with (data / "log").open("w") as said:
        run = subprocess.Popen(
            [sys.executable, "-m", "detector", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        assert run.poll() is None, (data / "log").read_text()[-2000:]
        try:
            return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(up)
        yield url
    finally:
        run.terminate()
        assert run.wait(60) in (0, -15)


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def titled(text: str) -> bytes:
    """A picture whose every text is this."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = exif[0x010F] = exif[0x013B] = text  # description, maker, artist
    info = PngInfo()
    info.add_itxt("Title", text)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{text}</x:xmpmeta>")
    picture = Image.fromarray(np.full((64, 64, 3), 128, np.uint8))
    picture.save(out, "PNG", exif=exif, pnginfo=info)
    return out.getvalue()


def hostile(folder: Path, bait: int) -> dict[str, bytes]:
    """Files that point elsewhere, claim too much, end too soon or say too much."""
    home = f"http://127.0.0.1:{bait}/x"
    clip = write_clip(folder / "clip.mp4", seconds=1).read_bytes()
    moved = clip.replace(b"url \x00\x00\x00\x01", b"url \x00\x00\x00\x00")
    out = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(out, "JPEG")
    jpeg = out.getvalue()
    bidi = "\u202eevil\u202c<script>alert(1)</script>&#x202e;[x](javascript:1)"
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{home}.ts\n".encode(),
        "list.mp4": f"#EXTM3U\n#EXTINF:2,\n{home}.mp4\n".encode(),
        "key.m3u8": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{home}"\n#EXTINF:1,\na\n'.encode(),
        "concat.txt": f"ffconcat version 1.0\nfile '{home}'\n".encode(),
        "passwd.txt": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "dash.mpd": f"<?xml version='1.0'?><MPD><BaseURL>{home}</BaseURL></MPD>".encode(),
        "entity.svg": (
            f"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY e SYSTEM '{home}'>]>"
            f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{home}'/>&e;</svg>"
        ).encode(),
        "talk.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\n"
        + f"m=video {bait} RTP/AVP 96\n".encode(),
        "play.asx": f"<asx version='3.0'><entry><ref href='{home}'/></entry></asx>".encode(),
        "page.html": f"<html><img src={home}><meta http-equiv=refresh content={home}>".encode(),
        "link.url": f"[InternetShortcut]\nURL={home}\n".encode(),
        "moved.mp4": moved,
        "cut.mp4": clip[: len(clip) // 3],
        "tail.mp4": clip[len(clip) // 2 :],
        "holes.mp4": b"".join(
            part if n % 7 else bytes(len(part))
            for n, part in enumerate(clip[i : i + 500] for i in range(0, len(clip), 500))
        ),
        "huge.mp4": b"\xff\xff\xff\xffftypisom" + clip[12:],
        "bomb.png": png(60_000, 60_000, zlib.compress(bytes(10_000_000), 9)),
        "wide.png": png(2**31 - 1, 1, b""),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "twice.jpg": jpeg + clip,
        "titles.png": titled(bidi * 30),
        "long.png": titled("A" * 1_000_000),
        "empty.mp4": b"",
        "nulls.mkv": bytes(100_000),
        "noise.webm": b"\x1aE\xdf\xa3" + os.urandom(100_000),
        "xmp.jpg": jpeg[:2] + b"\xff\xe1\xff\xffhttp://ns.adobe.com/xap/1.0/\0" + jpeg[2:],
        f"{bidi[:60].replace('/', '_')}.png": titled(bidi),
    }  # fmt: skip


def test_hostile_files_come_through_the_api_and_nothing_calls_home(tmp_path: Path) -> None:
    """Each is refused in a sentence or looked at; the server answers after each; no connection is
    begun, by Python (an audit hook in the server) or by a decoder (the port they point at)."""
    bait, log, data = Bait(), tmp_path / "watched", tmp_path / "data"
    log.touch()
    files = hostile(tmp_path, bait.port)
    knock = f"import socket; socket.create_connection(('127.0.0.1', {bait.port}))"
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    subprocess.run(
        [sys.executable, "-c", knock],
        env={**os.environ, "WATCHED": str(log), "PYTHONPATH": str(tmp_path)},
        check=True,
    )
    assert bait.came() == 1 and str(bait.port) in log.read_text(), "both would notice"
    log.write_text("")
    printed: list[str] = []
    with watched(data, log) as url, httpx.Client(base_url=url, timeout=PATIENT) as client:
        for name, content in files.items():
            sent = {"file": (name, content, "application/octet-stream")}
            answer = client.post("/v1/analyses", files=sent, data=SMALL, params={"wait": 60})
            assert answer.status_code in (200, 202, 422), (name, answer.text[:300])
            if answer.status_code == 422:
                error = answer.json()["error"]
                assert error["message"].endswith(".") and "Traceback" not in answer.text, name
                assert error["code"] not in ("internal", "unexpected"), (name, error)
            assert client.get("/healthz").status_code == 200, name
            if answer.status_code == 200 and name in ("titles.png", "long.png"):
                pdf = client.get(f"{answer.json()['href']}/report.pdf")
                assert pdf.content.startswith(b"%PDF") and len(pdf.content) < 5_000_000, name
                printed.append(name)
    assert printed == ["titles.png", "long.png"]
    lines = log.read_text().splitlines()
    ours = [line for line in lines if "'127.0.0.1'" in line or "'/" in line or "AF_UNIX" in line]
    assert [line for line in lines if line not in ours] == []
    assert not [line for line in ours if str(bait.port) in line]
    assert bait.came() == 0
    bait.close()
    said = (data / "log").read_text()
    assert "Traceback" not in said, said[-3000:]
