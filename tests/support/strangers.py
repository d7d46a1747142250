"""Files of strangers that are up to something, and who notices: a watch over every connection that
a process begins, and a port that nobody is to come to."""

import io
import os
import socket
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.conftest import write_clip

WATCH = """
import os, sys
out = os.open(os.environ["WATCHED"], os.O_APPEND | os.O_WRONLY)
def watch(name, arguments):
    if name in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[1] if name in ("socket.connect", "socket.sendto") else arguments[0]
        os.write(out, f"{os.getpid()} {name} {address!r}\\n".encode())
sys.addaudithook(watch)
"""
"""What a process runs as `sitecustomize`: it writes to the file WATCHED."""


class Bait:
    """A port of this computer that hostile files point at. Nobody is to come."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    def came(self):
        count = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self):
        self._listener.close()


def png(width, height, rows):
    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def titled(text):
    """A picture whose every text is this."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = exif[0x010F] = exif[0x013B] = text  # description, maker, artist
    info = PngInfo()
    info.add_itxt("Title", text)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{text}</x:xmpmeta>")
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(out, "PNG", exif=exif, pnginfo=info)
    return out.getvalue()


def hostile(folder, bait):
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
    }


def called_home(log, bait):
    """What a watched process asked for beyond this computer, or of the bait."""
    lines = log.read_text().splitlines()
    ours = [line for line in lines if "'127.0.0.1'" in line or "'/" in line or "AF_UNIX" in line]
    return [line for line in lines if line not in ours or str(bait.port) in line]
