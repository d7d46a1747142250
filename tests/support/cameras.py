"""Real cameras on this computer: one that sends JPEGs over HTTP, one that speaks RTSP."""

from __future__ import annotations

import base64
import io
import itertools
import re
import socket
import socketserver
import struct
import time
from contextlib import suppress

import av
import cv2
import numpy as np
from PIL import Image

from tests.conftest import camera
from tests.support.links import served

SIZE = (320, 240)
BOUNDARY = "--frame"


def jpeg(number):
    out = io.BytesIO()
    Image.fromarray(camera(SIZE)(number)).save(out, "JPEG", quality=85)
    return out.getvalue()


def mjpeg(login=""):
    """Answer as a camera does: JPEGs in a row, without an end."""
    pictures = [jpeg(number) for number in range(10)]

    def answer(handler):
        wanted = f"Basic {base64.b64encode(login.encode()).decode()}"
        if login and handler.headers.get("Authorization") != wanted:
            handler.begin(401, WWW_Authenticate='Basic realm="camera"', Content_Length="0")
            return
        handler.begin(Content_Type=f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        for body in itertools.cycle(pictures):
            head = f"{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            handler.wfile.write(head.encode() + body + b"\r\n")
            handler.wfile.flush()
            time.sleep(0.04)

    return answer


def transport_stream(frames):
    """A made clip as MPEG-TS."""
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", 12
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(camera(SIZE)(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 33\r\na=control:track1\r\n"
)


class RtspHandler(socketserver.StreamRequestHandler):
    """One visitor of a camera that speaks RTSP, as much of it as a player asks for."""

    server: RtspCamera

    def handle(self):
        with suppress(OSError):
            while request := self._request():
                method, headers = request
                self.server.came.append((method, headers))
                said = self.server.say(self, method, headers) if self.server.say else None
                if said is not None:
                    self.wfile.write(said)
                    continue
                if self.server.login and headers.get("authorization") != self.server.login:
                    self.answer(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="c"')
                elif method == "DESCRIBE":
                    self.answer(headers, "200 OK", "Content-Type: application/sdp", body=SDP)
                elif method == "SETUP":
                    where = "RTP/AVP/TCP;unicast;interleaved=0-1"
                    self.answer(headers, "200 OK", f"Transport: {where}", "Session: 1")
                elif method == "PLAY":
                    self.answer(headers, "200 OK", "Session: 1")
                    self.play()
                    return
                else:
                    self.answer(headers, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY")

    def _request(self):
        line = self.rfile.readline().decode("latin-1")
        headers = {}
        while (header := self.rfile.readline().decode("latin-1").strip()) != "":
            name, _colon, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return (line.split()[0], headers) if line.strip() else None

    def answer(self, asked, status, *headers, body=""):
        lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.get('cseq', 1)}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def play(self):
        """Send the clip as RTP in this very connection, at its own speed."""
        data, size = self.server.data, 7 * 188
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        begun = time.monotonic()
        for number, part in enumerate(parts):
            stamp = round(90_000 * self.server.seconds * number / len(parts))
            packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, stamp, 7) + part
            self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
            ahead = begun + self.server.seconds * number / len(parts) - time.monotonic()
            if ahead > 0.02:
                time.sleep(ahead)


class RtspCamera(socketserver.ThreadingTCPServer):
    """A camera that speaks RTSP over TCP; what was asked of it is in `came`."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, host, login, say, seconds):
        super().__init__((host, 0), RtspHandler)
        self.came: list[tuple[str, dict[str, str]]] = []
        self.login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.say, self.seconds = say, seconds
        self.data = transport_stream(round(25 * seconds))

    @property
    def port(self):
        return int(self.server_address[1])

    def url(self, host, login=""):
        return f"rtsp://{login}{host}:{self.port}/live/key-7?token=hush"


def rtsp(host, *, login="", say=None, seconds=2.0):
    """Run a camera, which sends so many seconds and breaks off."""
    return served(RtspCamera(host, login, say, seconds))


def moved(to):
    """Say to DESCRIBE that the camera is elsewhere."""

    def say(handler, method, headers):
        if method != "DESCRIBE":
            return None
        cseq = headers.get("cseq", "1")
        return f"RTSP/1.0 302 Moved\r\nCSeq: {cseq}\r\nLocation: {to}\r\n\r\n".encode()

    return say


def listening(host):
    """A port that takes connections and never says anything."""
    mute = socket.create_server((host, 0))
    return mute, mute.getsockname()[1]


def same(left, right):
    """Whether two pictures show the same person at nearly the same moment."""
    small = [cv2.resize(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), (20, 15)) for one in (left, right)]
    return bool(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.9)


def secrets_in(text):
    """What of the addresses above must not be in a text."""
    return re.findall(r"hush|key-7|s3cret", text)
