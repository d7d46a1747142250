"""What goes wrong outside of a request."""

import io
import resource
import zipfile

import httpx
import pytest

from detector import media
from service.application import Application
from tests.conftest import write_clip
from tests.integration.service.api.test_analyses import FILE, nothing_left, refusal
from tests.support.api import served, unmask_serve
from tests.support.waiting import PATIENT, until


@pytest.fixture
def real(monkeypatch, analyzer):
    """Files are opened as an analysis opens them; what comes after that is the stand-in's."""
    answer = analyzer.analyze

    def analyze(path, *given, **options):
        media.probe(path)
        return answer(path, *given, **options)

    monkeypatch.setattr(analyzer, "analyze", analyze)


def zip_of_zips(depth):
    content = b"0" * 1_000_000
    for level in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(4):
                archive.writestr(f"../../{level}-{number}.zip", content)
        content = out.getvalue()
    return content


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", ["clips.zip", "clip.mp4", "../../clip.zip"])
def test_a_zip_of_zips_is_no_video_and_nothing_of_it_is_unpacked(client, application, name):
    content = zip_of_zips(5)
    answer = client.post(
        "/v1/analyses", params={"wait": 60}, files={"file": (name, content, "application/zip")}
    )
    assert answer.status_code == 422
    error = refusal(answer)
    assert error["code"] == "unsupported" and error["reference"] == ""
    kept = [path for path in application.jobs.uploads.root.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [content], "for the hours that files are kept"
    (view,) = client.get("/v1/analyses").json()
    assert client.delete(view["href"]).status_code == 204
    assert nothing_left(application)


@pytest.mark.usefixtures("real")
def test_a_hostile_zip_in_a_batch_is_refused_and_the_others_go_on(client, tmp_path):
    clip = write_clip(tmp_path / "clip.webm", seconds=1, codec="libvpx-vp9").read_bytes()
    sent = [("files", ("a.zip", zip_of_zips(3))), ("files", ("gone.webm", clip[:200]))]
    batch = client.post("/v1/batches", files=sent).json()
    until(lambda: client.get(batch["href"]).json()["done"])
    *inner, gone = client.get(batch["href"]).json()["items"]
    assert {item["name"].partition("/")[0] for item in inner} == {"a.zip"}
    assert {item["error"]["code"] for item in inner} == {"path_trick"}
    assert gone["error"]["message"].endswith(".") and gone["state"] == "failed"


@pytest.mark.usefixtures("real")
def test_a_truncated_video_says_what_is_missing(client, tmp_path):
    whole = write_clip(tmp_path / "clip.mp4", seconds=2).read_bytes()
    sent = {"file": ("clip.mp4", whole[: len(whole) // 2], "video/mp4")}
    answer = client.post("/v1/analyses", params={"wait": 60}, files=sent)
    assert answer.status_code == 422
    error = refusal(answer)
    assert error["code"] in ("index_missing", "undecodable") and error["hint"].endswith(".")


def test_a_disk_that_takes_no_more_is_said_and_the_server_goes_on(tmp_path):
    """The system itself refuses the write, in the middle of the body."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))  # noqa: E731
    with unmask_serve(tmp_path, variables={"TMPDIR": str(tmp_path)}, preexec_fn=limit) as url:
        for _time in range(2):
            large = {"file": ("clip.mp4", bytes(8 << 20), "video/mp4")}
            answer = httpx.post(f"{url}/v1/analyses", files=large, timeout=PATIENT)
            assert (answer.status_code, refusal(answer)["code"]) == (507, "disk_full")
        assert not list((tmp_path / "uploads").iterdir())
        assert httpx.get(f"{url}/healthz").status_code == 200
        small = httpx.post(f"{url}/v1/analyses", files=FILE, timeout=PATIENT)
        assert small.status_code == 202, "what fits is taken"
    assert not list(tmp_path.glob("tmp*"))


def test_a_database_that_is_taken_away_and_comes_back(postgres, tmp_path, analyzer, monkeypatch):
    """Its connections are cut and it lets nobody in, in the middle of an analysis."""
    name = postgres.fresh()
    monkeypatch.setenv("UNMASK_DATABASE", postgres.url(name))
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    application = Application(tmp_path, analyzer)
    application.jobs._check = None

    def close(closed):
        with postgres.connect("postgres", autocommit=True) as other:
            other.execute(
                f"alter database {name} allow_connections {'false' if closed else 'true'}"
            )
            if closed:
                other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [name],
                )

    with served(application) as url, httpx.Client(base_url=url, timeout=PATIENT) as client:
        kept = client.post("/v1/analyses", params={"wait": 60}, files=FILE).json()
        analyzer.go.clear()
        running = client.post("/v1/analyses", files={"file": ("b.mp4", b"other")}).json()
        until(lambda: len(analyzer.begun) == 2)
        close(True)
        uploads = set(application.jobs.uploads.root.iterdir())
        answer = client.post("/v1/analyses", files={"file": ("c.mp4", b"third")})
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert refusal(answer)["code"].startswith("records")
        assert str(postgres.folder) not in answer.text and name not in answer.text
        assert set(application.jobs.uploads.root.iterdir()) == uploads, "nothing is left of it"
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get(kept["href"]).json()["result"] == kept["result"], "it is in memory"
        close(False)
        until(lambda: client.get("/readyz").json()["checks"]["records"])
        analyzer.go.set()
        until(lambda: client.get(running["href"]).json()["state"] == "done")
        assert client.get(kept["href"]).json()["result"] == kept["result"], "nothing is lost"
        again = client.post("/v1/analyses", files={"file": ("c.mp4", b"third")})
        assert again.status_code == 202
        until(lambda: client.get(again.json()["href"]).json()["state"] == "done")
    application.stop()
    application.jobs.close()
    application.jobs.store.close()
