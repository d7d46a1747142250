"""Which of two files is the younger, by what they say of themselves: files really written."""

import av
import numpy as np
import pytest
import skimage.data
from PIL import Image

from detector import media
from detector.comparison import compare
from detector.comparison.engine import generation
from detector.presentation import comparison as words
from detector.provenance import file_traces
from detector.schema.comparison import Comparison, Generation, SpaceAlignment
from detector.schema.origin import Credential

CAMERA = {"make": "Canon", "model": "EOS R5"}
SIZE = (256, 192)


def film(path, *, camera=False, crf=None, **tags):
    """A second of a portrait under a moving camera, encoded by x264 where a rate factor is given;
    as a camera writes it (or an FFmpeg that is told to be silent), or as FFmpeg does."""
    options = {"movflags": "use_metadata_tags"} | ({"fflags": "+bitexact"} if camera else {})
    with av.open(str(path), "w", format="mov", container_options=options) as out:
        out.metadata.update(tags | (CAMERA if camera else {}))
        stream = out.add_stream("mjpeg" if crf is None else "libx264", rate=12)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if crf is None else "yuv420p"
        if crf is not None:
            stream.options = {"crf": str(crf)}
        if camera:
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for n in range(12):
            rgb = np.ascontiguousarray(skimage.data.astronaut()[: SIZE[1], 120 + n :][:, : SIZE[0]])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode())
    return path


def told(copy, original):
    """What is told where neither sizes nor bits tell."""
    abouts = [media.probe(path).model_copy(update={"bit_rate": None}) for path in (copy, original)]
    read = file_traces.read_traces(copy, abouts[0]), file_traces.read_traces(original, abouts[1])
    found = Comparison.model_construct(copy_media=abouts[0], original_media=abouts[1])
    return generation(found, SpaceAlignment(), read)


def both_ways(younger, older, code):
    """What is told, the same whichever is called the copy."""
    found, turned = told(younger, older), told(older, younger)
    assert [(h.code, h.younger) for h in found.hints] == [(code, "copy")]
    assert [(h.code, h.younger) for h in turned.hints] == [(code, "original")]
    assert found.hints[0].params == turned.hints[0].params
    assert {None: None, "copy": "original"}[found.younger] == turned.younger
    return found


def test_files_that_say_nothing_tell_nothing(tmp_path):
    one, other = film(tmp_path / "1.mov"), film(tmp_path / "2.mov")
    assert told(one, other) == Generation()


def test_the_later_date_is_of_the_younger(tmp_path):
    older = film(tmp_path / "1.mov", creation_time="2026-03-01T10:00:00Z")
    younger = film(tmp_path / "2.mov", creation_time="2026-03-04T09:00:00Z")
    found = both_ways(younger, older, "later_date")
    assert found.younger == "copy"
    assert words.hint(found.hints[0]) == "the copy states the later date, 2026-03-04"
    assert told(younger, film(tmp_path / "3.mov")).hints == [], "one date alone tells nothing"


@pytest.mark.parametrize("date", ["2026-03-02T11:00:00Z", "1970-01-01T00:00:00Z", "2100-01-01"])
def test_dates_that_time_zones_or_wrong_clocks_explain_tell_nothing(tmp_path, date):
    one = film(tmp_path / "1.mov", creation_time="2026-03-01T10:00:00Z")
    assert told(film(tmp_path / "2.mov", creation_time=date), one).hints == []


def test_what_a_program_wrote_is_younger_than_what_a_camera_did(tmp_path):
    older = film(tmp_path / "1.mov", camera=True)
    found = both_ways(film(tmp_path / "2.mov"), older, "rewritten")
    assert found.younger == "copy"
    assert words.hint(found.hints[0]) == "the copy was written by FFmpeg"
    encoded = told(film(tmp_path / "3.mov", crf=23), older)
    assert words.hint(encoded.hints[0]) == "the copy was written by x264"


def test_a_camera_s_name_that_a_program_kept_makes_nothing_older(tmp_path):
    kept = film(tmp_path / "1.mov", **CAMERA)
    traces = file_traces.read_traces(kept, media.probe(kept))
    assert traces.camera and traces.writer == "FFmpeg"
    assert told(kept, film(tmp_path / "2.mov")).hints == []
    assert both_ways(kept, film(tmp_path / "3.mov", camera=True), "rewritten").younger == "copy"


def test_a_rate_factor_is_said_and_decides_nothing_alone(tmp_path):
    fine, coarse = film(tmp_path / "1.mov", crf=18), film(tmp_path / "2.mov", crf=26)
    found = both_ways(coarse, fine, "coarser")
    assert found.younger is None
    assert words.hint(found.hints[0]) == "the copy was compressed more, x264 CRF 26 against 18"
    assert told(film(tmp_path / "3.mov", crf=21), fine).hints == []


def still(path, quality, tags):
    exif = Image.Exif()
    exif.update(tags)
    Image.fromarray(skimage.data.astronaut()).save(path, quality=quality, exif=exif)
    return path


def test_pictures_tell_by_their_tags_and_tables(tmp_path):
    make, software, changed = 0x010F, 0x0131, 0x0132
    older = still(tmp_path / "1.jpg", 95, {make: "Canon", changed: "2026:03:01 10:00:00"})
    younger = still(
        tmp_path / "2.jpg", 70, {software: "Adobe Photoshop 27", changed: "2026:03:05 10:00:00"}
    )
    found = told(younger, older)
    assert {hint.younger for hint in found.hints} == {"copy"}
    assert [words.hint(hint) for hint in found.hints] == [
        "the copy was written by Adobe Photoshop",
        "the copy states the later date, 2026-03-05",
        "the copy was compressed more, JPEG quality 70 against 95",
    ]


def test_nothing_of_a_stranger_s_own_words_is_said(tmp_path):
    tags = {"software": "x HandBrake \u202e<script>", "creation_time": "2026-03-04T09:00:00Z"}
    trick = film(tmp_path / "1.mov", **tags)
    found = told(trick, film(tmp_path / "2.mov", camera=True, creation_time="2026-01-01"))
    software, date = (hint.params for hint in found.hints)
    assert software == {"software": "HandBrake"} and date == {"date": "2026-03-04"}


def test_what_can_t_be_read_tells_nothing(tmp_path):
    path = film(tmp_path / "1.mov", camera=True)
    about = media.probe(path)
    assert file_traces.read_traces(path, about).camera
    path.write_bytes(path.read_bytes()[:40])
    assert file_traces.read_traces(path, about) == file_traces.FileTraces()


@pytest.mark.parametrize(
    ("state", "sources", "ingredients", "proves"),
    [
        ("trusted", ["digitalCapture"], [], True),
        ("untrusted", ["digitalCapture"], [], False),
        ("invalid", ["digitalCapture"], [], False),
        ("trusted", ["compositeCapture"], [], False),
        ("trusted", ["digitalCapture"], ["before.mov"], False),
    ],
)
def test_a_trusted_signature_of_a_camera_proves_which_one_is_the_copy(
    tmp_path, monkeypatch, state, sources,
    ingredients, proves
):  # fmt: skip
    signed, other = film(tmp_path / "1.mov"), film(tmp_path / "2.mov")

    def read(path):
        if path != signed:
            return Credential()
        return Credential(state=state, sources=sources, ingredients=ingredients)

    monkeypatch.setattr(file_traces, "trust_list", lambda: tmp_path / "list.pem")
    monkeypatch.setattr(file_traces, "read_credential", read)
    assert told(other, signed).proven is proves and told(signed, other).proven is proves
    if proves:
        assert told(other, signed).younger == "copy"
        assert told(signed, other).younger == "original"


def test_a_comparison_says_it(tmp_path):
    older = film(tmp_path / "1.mov", camera=True, creation_time="2026-03-01T10:00:00Z")
    younger = film(tmp_path / "2.mov", creation_time="2026-03-04T10:00:00Z")
    found = compare(younger, older)
    assert found.generation.younger == "copy"
    assert dict(words.figures(found))["Looks like the younger file"] == (
        "2.mov was written by FFmpeg; 2.mov states the later date, 2026-03-04"
    )
    assert compare(older, younger).generation.younger == "original"
