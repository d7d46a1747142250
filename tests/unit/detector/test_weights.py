"""Weight files: verified, downloaded over real HTTP, read without running what they hold."""

import hashlib
import importlib
import io
import json
import os
import re
import socket
import time

import httpx
import pytest
import torch
from torch import nn

from detector import paths, weights
from detector.errors import Canceled, ModelError, WeightsError
from detector.weights.download import TRIES
from detector.weights.entry import WeightFile
from tests.support import specs
from tests.support.links import PRIVATE, everywhere, redirect, serving
from tests.support.waiting import at_once

BODY = bytes(range(256)) * 8192  # 2 MiB: several pieces


def make_spec(url, body=BODY, path="toy/net.bin", **changes):
    file = WeightFile(path=path, sha256=hashlib.sha256(body).hexdigest(), size=len(body), url=url)
    entry = {"id": "toy", "title": "Toy", "files": [file], "license_weights": "MIT"}
    return specs.spec("mesonet", **entry | changes)


class Server:
    """A file server on loopback that can be told to misbehave."""

    def __init__(self):
        self.body = BODY
        self.ranges = True
        self.breaks: list[int] = []  # after so many bytes the next answers break off
        self.status = 200
        self.redirect: str | None = None
        self.asked: list[str | None] = []  # the Range of every request
        self.tokens: list[str | None] = []
        self.url = ""

    def answer(self, request):
        asked = request.headers.get("Range")
        self.asked.append(asked)
        self.tokens.append(request.headers.get("Authorization"))
        if self.redirect:
            redirect(self.redirect)(request)
            return
        body, status, headers = self.body, self.status, {}
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if match and self.ranges and status == 200:
            start = int(match[1])
            body, status, total = body[start:], 206, len(self.body)
            headers = {"Content_Range": f"bytes {start}-{total - 1}/{total}"}
        request.begin(status, Content_Length=str(len(body)), **headers)
        request.wfile.write(body[: self.breaks.pop(0)] if self.breaks else body)


@pytest.fixture
def server():
    server = Server()
    with serving(PRIVATE, everywhere(server.answer)) as started:
        server.url = started.url(PRIVATE, "/net.bin")
        yield server


@pytest.fixture
def spec(server):
    return make_spec(server.url)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def names(folder):
    """Files left in a folder, apart from the empty lock."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_fetch_downloads_verifies_and_reports(spec, data):
    seen: list[tuple[int, int]] = []
    (path,) = weights.fetch(spec, lambda done, total: seen.append((done, total)))
    assert path == data / "weights" / "toy" / "net.bin"
    assert path.read_bytes() == BODY
    assert names(data) == ["net.bin"]
    assert seen[0] == (0, len(BODY)) and seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and len(seen) > 4
    assert weights.resolve(spec) == [path]


def test_resolve_downloads_only_when_asked(spec, server):
    with pytest.raises(WeightsError, match=r"net\.bin is missing") as caught:
        weights.resolve(spec)
    assert caught.value.code == "weights_missing"
    assert "unmask fetch toy" in caught.value.hint
    assert server.asked == []
    assert weights.fetch(spec)[0].read_bytes() == BODY


def test_a_broken_connection_is_resumed(server):
    server.breaks = [1_000_000]
    (path,) = weights.fetch(make_spec(server.url))
    assert path.read_bytes() == BODY
    # Of the million bytes sent, what had not reached the disk yet is asked for again.
    assert server.asked[0] is None
    assert 0 < int(server.asked[1].removeprefix("bytes=").removesuffix("-")) <= 1_000_000


def test_a_stopped_download_goes_on_where_it_was(spec, server):
    def stop(done, total):
        if done > total / 2:
            raise Canceled

    with pytest.raises(Canceled):
        weights.fetch(spec, stop)
    assert not weights.available(spec)
    (path,) = weights.fetch(spec)
    assert path.read_bytes() == BODY
    assert server.asked[1] != "bytes=0-" and server.asked[1].startswith("bytes=")


def test_a_server_without_ranges_sends_it_whole(server, data):
    part = data / "weights" / "toy" / "net.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:500_000])
    server.ranges = False
    (path,) = weights.fetch(make_spec(server.url))
    assert path.read_bytes() == BODY


def test_giving_up_keeps_what_came(server, data):
    server.breaks = [300_000] * 9
    with pytest.raises(WeightsError, match=r"The connection to 127\.0\.0\.1 broke off") as caught:
        weights.fetch(make_spec(server.url))
    assert caught.value.code == "connection_lost" and "goes on from there" in caught.value.hint
    assert len(server.asked) == TRIES
    assert names(data) == ["net.bin.part"]


def test_another_file_is_refused_with_both_hashes(spec, server, data):
    server.body = BODY[:-1] + b"!"
    with pytest.raises(WeightsError) as caught:
        weights.fetch(spec)
    assert caught.value.code == "weights_corrupted"
    assert "net.bin" in caught.value.message
    assert spec.files[0].sha256 in caught.value.message
    assert hashlib.sha256(server.body).hexdigest() in caught.value.message
    assert names(data) == []


def test_more_than_was_stated_is_cut_off(server, data):
    server.body = BODY * 3
    with pytest.raises(WeightsError, match="more than the 2,097,152 bytes"):
        weights.fetch(make_spec(server.url))
    assert names(data) == []


def test_a_damaged_download_is_brought_again(spec):
    (path,) = weights.fetch(spec)
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError) as caught:
        weights.resolve(spec)
    assert caught.value.code == "weights_corrupted" and "unmask fetch toy" in caught.value.hint
    weights.fetch(spec)
    assert path.read_bytes() == BODY


def test_two_at_once_download_once(spec, server):
    assert at_once(lambda _: weights.fetch(spec), range(4))[0][0].read_bytes() == BODY
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: setattr(s, "status", 404), "the server answered 404"),
        (lambda s: setattr(s, "redirect", "http://example.invalid/x"), "not an https address"),
        (lambda s: setattr(s, "redirect", s.url), "redirects"),
    ],
)
def test_answers_that_are_no_file(server, change, says):
    change(server)
    with pytest.raises(WeightsError, match=says):
        weights.fetch(make_spec(server.url))


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_is_left(monkeypatch, where):
    monkeypatch.setattr(importlib.import_module("detector.weights.download"), "SLOW_SECONDS", 1.0)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX: "

    def drip(handler):
        handler.wfile.write(head + (b"" if where == "headers" else b"\r\n\r\n"))
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    with serving(PRIVATE, everywhere(drip)) as web:
        begun = time.monotonic()
        with pytest.raises(WeightsError, match=r"within 1 s|bytes came in \d s") as slow:
            weights.fetch(make_spec(web.url(PRIVATE, "/net.bin")))
        assert time.monotonic() - begun < 10
        assert slow.value.code == "download_failed" and slow.value.message.endswith(".")
        assert web.left.wait(10)


@pytest.mark.parametrize(
    ("target", "goes"),
    [
        ("https://10.0.0.1/x", False),
        ("https://127.0.0.1:8501/x", False),
        ("https://localhost/x", False),
        ("https://[::ffff:127.0.0.1]/x", False),
        ("https://169.254.169.254/x", False),
        ("https://[fd00::1]/x", False),
        ("https://inside.example/x", False),  # a name that leads there
        ("https://cdn.example/x", True),
    ],
)
def test_a_public_server_leads_to_nothing_private(monkeypatch, target, goes):
    names = {"files.example": "93.184.215.14", "cdn.example": "2606:2800::1"}
    names |= {"inside.example": "192.168.0.5"}
    real = socket.getaddrinfo

    def resolve(host, port=None, *args, **named):
        return real(names.get(host, host), None)

    asked: list[str] = []

    def answer(request):
        asked.append(str(request.url))
        if len(asked) == 1:
            return httpx.Response(302, headers={"Location": target})
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    module = importlib.import_module("detector.weights.download")
    monkeypatch.setattr(module, "_transport", lambda first: httpx.MockTransport(answer))
    first = "https://files.example/net.bin"
    if goes:
        assert weights.fetch(make_spec(first))[0].read_bytes() == BODY
        assert asked == [first, target]
    else:
        with pytest.raises(WeightsError, match="not on the public Internet"):
            weights.fetch(make_spec(first))
        assert asked == [first]


def test_a_name_that_leads_elsewhere_by_the_time_is_not_connected_to(monkeypatch):
    """The connection goes to the address that was checked, not to what the name says later."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    real, found = socket.getaddrinfo, iter(["93.184.215.14", *["127.0.0.1"] * 9])

    def resolve(host, port=None, *args, **named):
        return real(next(found), port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(WeightsError, match="not on the public Internet"):
        weights.fetch(make_spec("https://files.example/net.bin"))


@pytest.mark.parametrize(
    "url", ["http://example.invalid/x", "ftp://example.invalid/x", "file:///etc"]
)
def test_only_https(url):
    with pytest.raises(WeightsError, match="not an https address"):
        weights.fetch(make_spec(url))


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://127.0.0.1:9/x", "127.0.0.1"), ("https://nobody.invalid/a/b.bin", "nobody.invalid")],
)
def test_without_a_connection_it_is_said_in_one_calm_sentence(url, host, caplog, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):  # a proxy would answer in its own way
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with caplog.at_level("INFO"), pytest.raises(WeightsError) as caught:
        weights.fetch(make_spec(url))
    assert caught.value.message == f"No connection to {host}."
    assert caught.value.code == "no_connection" and "rrno" not in caught.value.advice
    assert f"save {url} and type `unmask fetch toy --from FILE`" in caught.value.hint
    cause = "ConnectError" if host == "127.0.0.1" else "There is no server called"
    assert url in caplog.text and cause in caplog.text  # for whoever looks after it


def test_a_file_that_was_brought_by_hand_is_known_by_its_hash(spec, tmp_path):
    (tmp_path / "renamed.bin").write_bytes(BODY)
    (path,) = weights.bring(spec, [tmp_path / "renamed.bin"])
    assert weights.resolve(spec) == [path]
    (tmp_path / "other.bin").write_bytes(BODY[1:])
    for name in ("other.bin", "gone.bin"):
        with pytest.raises(WeightsError, match=name):
            weights.bring(spec, [tmp_path / name])


def test_what_was_laid_into_the_folder_is_taken_in(spec, server, data):
    kept = make_spec(server.url, id="kept", path="kept/net.bin")
    root = data / "weights"
    for name in ("own", "kept", "Downloads"):
        (root / name).mkdir(parents=True)
    (root / "kept" / "net.bin").write_bytes(BODY)  # where another model has it
    (root / "own" / "mine.bin").write_bytes(BODY)
    (root / "half.part").write_bytes(BODY)
    (root / "other.bin").write_bytes(BODY[:-1] + b"!")
    assert weights.take_in([spec], keep=[spec, kept]) == [] and not weights.available(spec)
    (root / "Downloads" / "model (1).bin").write_bytes(BODY)
    (path,) = weights.take_in([spec], keep=[spec, kept])
    assert path == root / "toy" / "net.bin" and path.read_bytes() == BODY
    assert weights.resolve(spec) == [path] and weights.take_in([spec], keep=[spec, kept]) == []
    assert not (root / "Downloads" / "model (1).bin").exists()
    assert server.asked == [] and weights.available(kept)


def test_a_full_disk_is_said_before_anything_is_written(server, data):
    file = make_spec(server.url).files[0].model_copy(update={"size": 10**15})
    with pytest.raises(WeightsError, match="bytes free", check=lambda e: e.code == "disk_full"):
        weights.fetch(make_spec(server.url, files=[file]))
    assert server.asked == [] and names(data) == []


def test_a_folder_that_cannot_be_made(server, data):
    data.write_text("a file stands where the folder should be")
    with pytest.raises(WeightsError, match="can't be written"):
        weights.fetch(make_spec(server.url))


def test_a_bundled_file_is_refused_by_name_when_it_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "bundled", lambda: tmp_path)
    spec = make_spec(None, path="net.bin", bundled=True)
    path = tmp_path / "net.bin"
    with pytest.raises(WeightsError) as caught:
        weights.fetch(spec)
    assert caught.value.code == "weights_missing" and "git checkout" in caught.value.hint

    path.write_bytes(BODY)
    assert weights.resolve(spec) == [path]

    path.write_bytes(BODY[::-1])
    with pytest.raises(WeightsError, match=re.escape(str(path))) as caught:
        weights.resolve(spec)
    assert caught.value.code == "weights_corrupted" and spec.files[0].sha256 in str(caught.value)


@pytest.mark.parametrize("path", ["../net.bin", "/etc/passwd", "a/../../b", "..\\net.bin"])
def test_a_path_may_not_leave_the_folder(path):
    with pytest.raises(WeightsError, match="leaves the weights folder"):
        weights.resolve(make_spec(None, path=path))


def test_digest_is_taken_again_when_the_file_changes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    assert weights.digest(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert weights.digest(path) == hashlib.sha256(b"two").hexdigest()


def test_load_strict_lists_what_does_not_fit():
    module = nn.Linear(3, 2)
    before = module.bias.detach().clone()
    state = {"weight": torch.zeros(4, 3), "scale": torch.ones(1)}
    with pytest.raises(WeightsError) as caught:
        weights.load_strict(module, state, "toy")
    message = caught.value.message
    assert "1 missing (bias)" in message
    assert "1 unexpected (scale)" in message
    assert "weight [4, 3] instead of [2, 3]" in message
    assert torch.equal(module.bias, before)

    fitting = {"weight": torch.full((2, 3), 0.5), "bias": torch.zeros(2)}
    weights.load_strict(module, fitting, "toy")
    assert torch.equal(module.weight, fitting["weight"])


def test_a_mirror_is_asked_when_the_address_fails(server, data):
    spec = make_spec("http://127.0.0.1:9/net.bin")
    spec.files[0].mirrors = ["http://127.0.0.1:9/also-gone", server.url]
    assert weights.fetch(spec)[0].read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_mirror_with_another_file_is_not_believed(server, data):
    server.body = BODY[:-1] + b"!"
    spec = make_spec("http://127.0.0.1:9/net.bin")
    spec.files[0].mirrors = [server.url]
    with pytest.raises(WeightsError) as caught:
        weights.fetch(spec)
    assert caught.value.code == "weights_corrupted" and names(data) == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_what_to_do(server, monkeypatch, status):
    server.status = status
    address = server.url.replace("/net.bin", "/owner/name/resolve/main/net.bin")
    with pytest.raises(WeightsError, match=f"may not be downloaded \\({status}\\)") as caught:
        weights.fetch(make_spec(address))
    assert caught.value.code == "refused" and caught.value.hint.startswith("By hand: save")
    monkeypatch.setenv("HF_ENDPOINT", server.url.removesuffix("/net.bin"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(WeightsError, match="terms have to be accepted") as caught:
        weights.fetch(make_spec(address))
    assert "/owner/name, accept the terms there, then set HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    with pytest.raises(WeightsError) as caught:
        weights.fetch(make_spec(address))
    assert "check that HF_TOKEN is of that account" in caught.value.hint


def test_the_token_goes_to_the_hub_alone(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    weights.fetch(make_spec(server.url))
    assert server.tokens == [None]
    monkeypatch.setenv("HF_ENDPOINT", server.url.removesuffix("/net.bin"))
    weights.fetch(make_spec("https://huggingface.co/net.bin", path="other.bin"))
    assert server.tokens == [None, "Bearer hf_mine"]


@pytest.mark.parametrize("word", ["1", "true", "Yes"])
def test_offline_is_said(spec, server, monkeypatch, word):
    monkeypatch.setenv("UNMASK_OFFLINE", word)
    with pytest.raises(WeightsError, match="this installation is offline") as caught:
        weights.fetch(spec)
    assert caught.value.code == "offline" and server.asked == []
    monkeypatch.setenv("UNMASK_OFFLINE", "0")
    weights.fetch(spec)
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert weights.fetch(spec)  # what is here needs no network


def test_a_size_that_nobody_stated_is_the_servers(server, data):
    file = make_spec(server.url).files[0].model_copy(update={"size": None})
    spec = make_spec(server.url, files=[file])
    assert weights.missing_bytes(spec) is None
    seen: list[tuple[int, int]] = []
    server.breaks = [300_000] * 3
    with pytest.raises(WeightsError, match="broke off"):
        weights.fetch(spec)
    server.breaks = []
    assert weights.fetch(spec, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(BODY), len(BODY)) and weights.missing_bytes(spec) == 0


def test_without_a_hash_nothing_is_downloaded(server):
    file = make_spec(server.url).files[0].model_copy(update={"sha256": None})
    spec = make_spec(server.url, files=[file])
    assert not weights.fetchable(spec)
    with pytest.raises(WeightsError) as caught:
        weights.fetch(spec)
    assert f"unmask models add {server.url} --as toy" in caught.value.hint
    assert server.asked == []


def torch_file(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_what_torch_saved_is_kept_as_safetensors_once(server, data):
    state = {"module.a": torch.arange(6.0).reshape(2, 3).T, "module.b": torch.ones(1)}
    server.body = torch_file({"state_dict": state, "epoch": 3})
    spec = make_spec(server.url, server.body, path="toy/net.pth")
    (path,) = weights.fetch(spec)
    assert path.name == "net.pth.safetensors"
    assert names(data) == ["net.pth.safetensors", "net.pth.safetensors.json"]
    # The hash of the original is what the model goes by.
    assert json.loads(path.with_name(path.name + ".json").read_text()) == {
        "of": spec.files[0].sha256,
        "sha256": weights.digest(path),
    }
    read = weights.load_state(path, spec)
    assert read.keys() == {"a", "b"} and torch.equal(read["a"], state["module.a"])
    assert weights.available(spec) and weights.resolve(spec) == [path]
    weights.fetch(spec)
    assert len(server.asked) == 1

    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="changed since it was converted") as caught:
        weights.resolve(spec)
    assert caught.value.code == "weights_corrupted"
    weights.fetch(spec)  # brings it again
    assert len(server.asked) == 2 and weights.resolve(spec) == [path]

    # Another file under the same name is another file.
    assert not weights.available(make_spec(server.url, b"other", path="toy/net.pth"))


def test_what_holds_more_than_weights_stays_as_it_is(server, data):
    server.body = torch_file({"a": torch.ones(1), "settings": {"depth": 3}})
    (path,) = weights.fetch(make_spec(server.url, server.body, path="net.pth"))
    assert path.read_bytes() == server.body and names(data) == ["net.pth"]


def test_deleting_frees_everything_but_what_others_need(server, data):
    server.body = torch_file({"a": torch.ones(1000)})
    one = make_spec(server.url, server.body, path="toy/net.pth")
    two = make_spec(server.url, server.body, path="toy/net.pth", id="two")
    weights.fetch(one)
    assert weights.delete(one, keep=[one, two]) == 0 and weights.available(two)
    assert weights.delete(one, keep=[one]) > 4000
    assert list((data / "weights").iterdir()) == [] and not weights.available(one)
    assert weights.delete(one) == 0
    with pytest.raises(WeightsError, match="comes with Unmask"):
        weights.delete(make_spec(None, bundled=True))


def test_a_license_is_accepted_once_and_for_its_words(data):
    spec = make_spec(None, research_only=True, license_weights="CC BY-NC 4.0", id="toy:one")
    with pytest.raises(ModelError, match=r"its license is CC BY-NC 4\.0") as caught:
        weights.require_license(spec)
    assert caught.value.code == "license" and "--accept-license" in caught.value.hint
    when = weights.accept_license(spec)
    weights.require_license(spec)
    assert weights.accepted_license(spec) == when
    sibling = make_spec(None, research_only=True, license_weights="CC BY-NC 4.0", id="toy:two")
    assert weights.accepted_license(sibling) == when
    changed = make_spec(None, research_only=True, license_weights="Ask us", id="toy:one")
    assert weights.accepted_license(changed) is None
    weights.require_license(make_spec(None))  # free ones need no word
