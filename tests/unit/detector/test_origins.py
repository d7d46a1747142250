"""What a file says of a program that made it: names in fields of programs, settings, labels."""

import gzip
import json
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from detector.provenance import origins
from detector.provenance.c2pa_reader import _last_words
from detector.provenance.file_traces import traces_of
from detector.provenance.findings import findings, maker
from detector.provenance.pictures import read_film, read_still
from detector.provenance.text import decoded, xmp_fields
from detector.provenance.times import is_set
from detector.schema.origin import Credential, Fact, Provenance

BUGS = Path("../shared/bugs5")
WEB_UI = (
    "photo of a duck\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
)
PROMPT = {"3": {"inputs": {"seed": 1, "steps": 20}, "class_type": "KSampler"}}
WORKFLOW = {"last_node_id": 9, "last_link_id": 9, "nodes": [], "links": [], "version": 0.4}
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LABEL = {"Label": "1", "ContentProducer": "0011914403", "ProduceID": "e0a1"}


def said(facts):
    return findings(Provenance(facts=list(facts)))


def still(path, **options):
    Image.fromarray(np.full((24, 24, 3), 90, np.uint8)).save(path, **options)
    return read_still(path)[0]


def names(facts):
    return [fact.name for fact in facts if fact.group == "generator"]


def fact(name, value, group="software", source="EXIF"):
    return Fact(group=group, name=name, value=value, source=source)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "Captura de Imagen 8.0", "Imagen", "Editor de imagen 3", "Runway Manhattan/Newswire",
        "Sora Tanaka", "Veo Cam 2", "Veo", "Kling & Co. Scanner", "Sorayama Studio",
        "HP Imagen y Escaneo", "Fluxus 2", "Capture One Pro", "Adobe Photoshop 26.0", "Lumia 950",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Software", "Credit", "Artist", "Computer"])
def test_words_of_other_languages_and_names_are_no_generators(name, value):
    group = "software" if name in ("Software", "Computer") else "words"
    about = Provenance(facts=[fact(name, value, group)])
    assert not findings(about) and maker(about) is None


@pytest.mark.parametrize(
    ("value", "by"),
    [
        ("Imagen 3", "Google"), ("Google Imagen", "Google"), ("Veo 3.1", "Google"),
        ("imagen-4.0 ultra", "Google"), ("Runway Gen-4", None), ("Runway", None),
        ("Sora 2", "OpenAI"), ("Sora", "OpenAI"), ("Kling 2.1 Master", None), ("RunwayML", None),
        ("Adobe Firefly 2.0", None), ("DALL-E 3", "OpenAI"), ("Midjourney v7", None),
        ("Fooocus v2.5.5", None), ("Draw Things 1.20", None), ("gpt-image-1", "OpenAI"),
        ("ArtBot - Create images with Stable Diffusion, utilizing the AI Horde", None),
        ("stable-diffusion.cpp", None), ("FLUX.1 [dev]", None), ("Nano Banana", "Google"),
    ],
)  # fmt: skip
def test_programs_that_name_themselves_are_found(value, by):
    about = Provenance(facts=[fact("Software", value)])
    (sentence,) = findings(about)
    assert sentence.startswith("It names a program that makes pictures: ")
    assert "by its own account" in sentence and "does not prove" in sentence
    assert maker(about) == by


def test_a_computer_has_the_name_of_its_owner():
    assert not findings(Provenance(facts=[fact("Computer", "Sora"), fact("Computer", "Kling")]))


def test_a_credit_names_a_generator_where_it_says_so():
    about = Provenance(facts=[fact("Credit", "Made with Google AI", "words", "XMP")])
    assert "Made with Google AI (XMP)" in findings(about)[0] and maker(about) == "Google"
    edited = Provenance(facts=[fact("Credit", "Edited with Google AI", "words", "XMP")])
    assert "edits pictures" in findings(edited)[0]
    agency = Provenance(facts=[fact("Credit", "Imagen: Agencia del Sur", "words", "XMP")])
    assert not findings(agency)
    signed = Provenance(credential=Credential(actions=["created with GPT-4o", "edited"]))
    assert maker(signed) == "OpenAI"
    pixel = Provenance(credential=Credential(generator="Pixel Camera", organization="Google LLC"))
    assert maker(pixel) is None


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("Stable Diffusion web UI", WEB_UI),
        ("ComfyUI", json.dumps(PROMPT)),
        ("ComfyUI", f"Workflow:{json.dumps(WORKFLOW)}"),
        ("ComfyUI", json.dumps({"prompt": json.dumps(PROMPT), "workflow": WORKFLOW})),
        ("SwarmUI", json.dumps({"sui_image_params": {"prompt": "a dog", "seed": 1}})),
        ("Fooocus", json.dumps({"base_model": "x", "sampler": "dpmpp", "metadata_scheme": "f"})),
        ("InvokeAI", json.dumps({"generation_mode": "txt2img", "app_version": "5.4.3"})),
        ("NovelAI", json.dumps({"steps": 28, "sampler": "k_euler", "uc": "x", "strength": 0.7})),
        ("Draw Things", json.dumps({"c": "a", "uc": "", "sampler": "E", "steps": 9, "seed": 1})),
        ("Easy Diffusion", json.dumps({"use_stable_diffusion_model": "sd-v1-5"})),
        ("Midjourney", "a cat --v 7 Job ID: 0b1a3c9e-1111-2222-3333-444455556666"),
    ],
)
@pytest.mark.parametrize(
    "place", ["png", "comment utf-16-be", "comment utf-16-le", "comment utf-8", "make", "xmp"]
)
def test_settings_are_found_in_every_field_that_tools_write(tmp_path, tool, text, place):
    if place == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", text)
        facts = still(tmp_path / "a.png", pnginfo=info)
    elif place == "xmp":
        facts = still(
            tmp_path / "a.jpg", xmp=packet(f"<exif:UserComment>{xml(text)}</exif:UserComment>")
        )
    else:
        exif = Image.Exif()
        if place == "make":
            exif[0x010F], exif[0x0110] = text, f"prompt:{text}"
        else:
            coding = place.split()[1]
            head = b"ASCII\0\0\0" if coding == "utf-8" else b"UNICODE\0"
            exif.get_ifd(0x8769)[0x9286] = head + text.encode(coding)
        facts = still(tmp_path / ("a.webp" if place == "make" else "a.jpg"), exif=exif)
    assert names(facts) == [f"Settings of {tool}"]
    (sentence,) = said(facts)
    assert "It holds settings of an image generator" in sentence
    assert "by its own account" in sentence


def xml(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def packet(inner, attributes=""):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:n="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f"{attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def test_a_file_of_comfyui_names_no_camera(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = f"Prompt:{json.dumps(PROMPT)}", "Acme One"
    facts = still(tmp_path / "a.webp", exif=exif)
    assert not any(one.group == "camera" for one in facts)
    assert not traces_of(facts).camera
    camera = Image.Exif()
    camera[0x010F] = "Acme"
    assert traces_of(still(tmp_path / "b.jpg", exif=camera)).camera


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "late",
    [
        chunk(b"comf", b"workflow\0" + json.dumps(WORKFLOW).encode()),
        chunk(b"tEXt", b"prompt\0" + json.dumps(PROMPT).encode()),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(json.dumps(PROMPT).encode())),
        chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(json.dumps(PROMPT).encode())),
    ],
)
def test_texts_behind_the_pixels_are_read(tmp_path, late):
    path = tmp_path / "a.png"
    still(path)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + late + data[-12:])
    assert names(read_still(path)[0]) == ["Settings of ComfyUI"]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("channels", [3, 4])
def test_settings_hidden_in_the_pixels_are_read(tmp_path, packed, channels):
    text = gzip.compress(WEB_UI.encode()) if packed else WEB_UI.encode()
    kind = ("png" if channels == 4 else "rgb") + ("comp" if packed else "info")
    data = f"stealth_{kind}".encode() + struct.pack(">I", 8 * len(text)) + text
    pixels = np.full((60, 60, channels), 254, np.uint8)
    part = pixels[..., 3:] if channels == 4 else pixels
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    columns = part.transpose(1, 0, 2).reshape(-1).copy()
    columns[: len(bits)] |= bits
    part[:] = columns.reshape(60, 60, -1).transpose(1, 0, 2)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert names(read_still(tmp_path / "a.png")[0]) == ["Settings of Stable Diffusion web UI"]


def film(path, tags):
    options = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options) as out:
        out.metadata.update(tags)
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _frame in range(2):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return read_film(path)[0]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(
    "tags",
    [
        {"comment": json.dumps({"prompt": json.dumps(PROMPT), "workflow": WORKFLOW})},
        {"prompt": json.dumps(PROMPT)},
        {"comment": WEB_UI},
    ],
)
def test_settings_in_films_are_read(tmp_path, ending, tags):
    facts = film(tmp_path / f"a.{ending}", tags)
    (name,) = names(facts)
    assert name in ("Settings of ComfyUI", "Settings of Stable Diffusion web UI")


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        TRAINED, f"{TRAINED}/", TRAINED.replace("http:", "https:"), f" {TRAINED}#",
        "trainedAlgorithmicMedia", "digsrctype:trainedAlgorithmicMedia", TRAINED.lower(),
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia/",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "form",
    [
        "<i:DigitalSourceType>{}</i:DigitalSourceType>",
        '<i:DigitalSourceType rdf:resource="{}"/>',
        "<i:DigitalSourceType><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></i:DigitalSourceType>",
        '<i:DigitalSourceType><rdf:Alt><rdf:li rdf:resource="{}"/></rdf:Alt></i:DigitalSourceType>',
    ],
)
def test_spellings_of_the_digital_source_type(tmp_path, value, form):
    facts = still(tmp_path / "a.jpg", xmp=packet(form.format(value)))
    (sentence,) = said(facts)
    assert sentence.startswith("Its XMP states that it was generated, at least in part")


def test_other_source_types_state_nothing(tmp_path):
    for word in ("digitalCapture/", "humanEdits", "algorithmicallyEnhanced"):
        value = TRAINED.replace("trainedAlgorithmicMedia", word)
        xmp = packet("", f'i:DigitalSourceType="{value}"')
        assert not said(still(tmp_path / "a.jpg", xmp=xmp))
    assert _last_words([f"{TRAINED}/", TRAINED.replace("http", "https")]) == [
        "trainedAlgorithmicMedia"
    ]


def test_the_ai_system_of_iptc_is_named(tmp_path):
    xmp = packet("", 'i:AISystemUsed="ExampleGen 2" i:AIPromptInformation="a dog"')
    facts = still(tmp_path / "a.jpg", xmp=xmp)
    (sentence,) = said(facts)
    assert "It states that it was generated by ExampleGen 2" in sentence
    assert ("Prompt", "a dog") in [(one.name, one.value) for one in facts]


@pytest.mark.parametrize(
    ("label", "words"), [("1", "was generated,"), (2, "possibly"), ("3", "suspected")]
)
@pytest.mark.parametrize("place", ["attribute", "element", "exif", "png", "chunk", "mp4", "mkv"])
def test_the_label_that_chinese_rules_ask_for(tmp_path, label, words, place):
    text = json.dumps(LABEL | {"Label": label})
    if place == "attribute":
        quoted = text.replace('"', "&quot;")
        facts = still(tmp_path / "a.jpg", xmp=packet("", f'n:AIGC="{quoted}"'))
    elif place == "element":
        facts = still(tmp_path / "a.jpg", xmp=packet(f"<n:AIGC>{text}</n:AIGC>"))
    elif place == "exif":
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + f'{{"AIGC": {text}}}'.encode()
        facts = still(tmp_path / "a.jpg", exif=exif)
    elif place == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("AIGC", text)
        facts = still(tmp_path / "a.png", pnginfo=info)
    elif place == "chunk":
        still(tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"aIGc", text.encode()) + data[33:])
        facts = read_still(tmp_path / "a.png")[0]
    else:
        facts = film(tmp_path / f"a.{place}", {"AIGC": text})
    (sentence,) = [one for one in said(facts) if "Chinese" in one]
    assert words in sentence and "by its own account" in sentence


def test_a_label_is_no_other_json(tmp_path):
    for text in ('{"Label": 1}', '{"name": "AIGC", "Label": 1}', "AIGC", '{"AIGC": "no"}'):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + text.encode()
        assert not said(still(tmp_path / "a.jpg", exif=exif))


def test_an_attribute_of_a_long_packet_is_cut():
    found = xmp_fields(packet("", f'i:AISystemUsed="{"x" * 600_000}"'))
    assert len(found["iptc:AISystemUsed"]) <= origins.SEARCHED


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"ASCII\0\0\0abc", "abc"), (b"UNICODE\0\0a\0b", "ab"), (b"UNICODE\0a\0b\0", "ab"),
        (b"UNICODE\0\xff\xfea\0", "a"), (b"\0" * 8 + "ä".encode(), "ä"), (b"plain", "plain"),
        (b"UNICODE\0" + "ein Über".encode(), "ein Über"),
    ],
)  # fmt: skip
def test_comments_of_exif_in_any_byte_order(data, text):
    assert decoded(data) == text


# --- clocks that were never set -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("0000:00:00 00:00:00", False), ("    :  :     :  :  ", False), ("", False),
        ("2040-02-06T06:28:15.000000Z", False), ("2106-02-07T06:28:15Z", False),
        ("1904-01-01T00:00:00.000000Z", False), ("1970-01-01T00:00:00Z", False),
        ("1969-12-31T16:00:00-0800", False), ("1970:01:01 01:00:00", False),
        ("1980:01:01 00:00:00", False), ("1979:11:30 00:00:00", False), ("0001-01-01", False),
        ("2023:00:00 00:00:00", False), ("Thu, 1 Jan 1970 00:00:00 +0000", False),
        ("2026:11:02 10:00:00", True), ("2026-11", True), ("2026", True),
        ("1955:06:01 12:00:00", True), ("1970-06-01", True), ("Thu, 12 Nov 2026 10:00:00", True),
    ],
)  # fmt: skip
def test_times_of_clocks_that_were_never_set(text, known):
    assert is_set(text) is known


def test_a_clock_that_was_never_set_gives_no_time(tmp_path):
    exif = Image.Exif()
    exif[0x0132], exif[0x0131] = "0000:00:00 00:00:00", "Editor 9"
    exif.get_ifd(0x8769)[0x9003] = "    :  :     :  :  "
    facts = still(tmp_path / "a.jpg", exif=exif)
    assert not said(facts) and not any(one.group == "time" for one in facts)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("credit_agency.jpg", ""), ("credit_spanish.jpg", ""), ("scanner_spanish.jpg", ""),
        ("exif_clock_not_set.jpg", ""), ("a1111_usercomment.jpg", "settings of an image"),
        ("a1111_utf16be.webp", "settings of an image"), ("dst_slash.jpg", "was generated"),
        ("comfyui_exif.webp", "settings of an image"), ("aigc_label_xmp.jpg", "was generated"),
        ("iptc_ai_system.jpg", "was generated by ExampleGen 2"),
    ],
)  # fmt: skip
def test_pictures_of_reports(name, words):
    facts, *_rest = read_still(BUGS / name)
    assert any(words in one for one in said(facts)) if words else not said(facts)
    assert not any(one.group == "camera" and "{" in one.value for one in facts)


@pytest.mark.shared
def test_films_of_reports():
    for name, words in (("aigc_label.mp4", "Chinese"), ("comfyui_comment.mp4", "settings of")):
        assert any(words in one for one in said(read_film(BUGS / name)[0]))
    assert not any(one.group == "time" for one in read_film(BUGS / "time_all_ones.mp4")[0])
