"""Every picture of a document is listed, and opened as viewers show it."""

import io
import zipfile

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from detector import media
from detector.batch import nested, read_source
from detector.errors import MediaError
from detector.schema.passed_over import PassedOverReason
from tests.support.containers import RELS, TEXT, packed, picture
from tests.support.raw_pdf import form, image, jpeg, pdf, photo, stream

PHOTO = photo()
WHOLE = b"q 160 0 0 96 20 20 cm /Im0 Do Q"


def opened(entry, folder):
    """Return the picture of an entry, uint8 [H, W, 3]."""
    folder.mkdir(exist_ok=True, parents=True)
    path, _ = entry.open(folder)
    about = media.probe(path)
    return next(iter(media.decode(path, about, [0.0], notes=[]))).rgb


def pictures(path):
    found = read_source(path)
    shown = [opened(e, path.parent / f"{path.stem}{n}") for n, e in enumerate(found.entries)]
    return found, shown


def alike(one, other):
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 3


PLACES = {
    "page": (WHOLE, b"/XObject<</Im0 5 0 R>>", [image(PHOTO)], b""),
    "form": (b"/Fm0 Do", b"/XObject<</Fm0 6 0 R>>",
             [image(PHOTO), form(WHOLE, b"/XObject<</Im0 5 0 R>>")], b""),
    "form in a form": (b"/Fm0 Do", b"/XObject<</Fm0 7 0 R>>",
                       [image(PHOTO), form(WHOLE, b"/XObject<</Im0 5 0 R>>"),
                        form(b"/F Do", b"/XObject<</F 6 0 R>>")], b""),
    "form with the page's resources": (
        b"/Fm0 Do", b"/XObject<</Fm0 6 0 R/Im0 5 0 R>>",
        [image(PHOTO), stream(WHOLE, b"/Type/XObject/Subtype/Form/BBox[0 0 400 300]")], b""),
    "pattern": (b"/Pattern cs /P0 scn 0 0 400 300 re f", b"/Pattern<</P0 6 0 R>>",
                [image(PHOTO), stream(WHOLE, b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1"
                 b"/BBox[0 0 200 200]/XStep 200/YStep 200/Resources<</XObject<</Im0 5 0 R>>>>")],
                b""),
    "stamp": (b"", b"", [image(PHOTO), form(WHOLE, b"/XObject<</Im0 5 0 R>>")],
              b"/Annots[<</Type/Annot/Subtype/Stamp/Rect[20 20 200 200]/AP<</N 6 0 R>>>>]"),
    "states of a button": (
        b"", b"", [image(PHOTO), form(WHOLE, b"/XObject<</Im0 5 0 R>>")],
        b"/Annots[<</Type/Annot/Subtype/Widget/Rect[20 20 200 200]/AP<</N<</On 6 0 R>>>>>>]"),
    "form of a stamp": (
        b"", b"", [image(PHOTO), form(WHOLE, b"/XObject<</Im0 5 0 R>>"),
                   form(b"/F Do", b"/XObject<</F 6 0 R>>")],
        b"/Annots[<</Type/Annot/Subtype/Stamp/Rect[20 20 200 200]/AP<</N 7 0 R>>>>]"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_picture_is_found_wherever_a_page_holds_it(tmp_path, place):
    content, resources, objects, page = PLACES[place]
    found, shown = pictures(pdf(tmp_path / "a.pdf", content, resources, objects, page=page))
    assert [entry.page for entry in found.entries] == [1] and alike(shown[0], PHOTO)


def test_a_logo_on_the_page_hides_no_picture_in_a_form(tmp_path):
    objects = [image(photo(40, 40, 3)), image(PHOTO), form(WHOLE, b"/XObject<</Im0 6 0 R>>")]
    content = b"q 40 0 0 40 300 200 cm /Logo Do Q /Fm0 Do"
    path = pdf(tmp_path / "a.pdf", content, b"/XObject<</Logo 5 0 R/Fm0 7 0 R>>", objects)
    _, shown = pictures(path)
    assert [rgb.shape for rgb in shown] == [(40, 40, 3), (96, 160, 3)]


def test_a_picture_that_is_drawn_twice_counts_once(tmp_path):
    path = pdf(tmp_path / "a.pdf", WHOLE + b" 1 0 0 1 200 0 cm " + WHOLE,
               b"/XObject<</Im0 5 0 R>>", [image(PHOTO)])  # fmt: skip
    assert len(read_source(path).entries) == 1


def test_a_picture_in_the_content_itself_is_shown(tmp_path):
    rgb = photo(24, 16)
    inline = b"q 240 0 0 160 20 20 cm BI /W 24 /H 16 /CS /RGB /BPC 8 ID " + rgb.tobytes() + b" EI Q"
    _, (shown,) = pictures(pdf(tmp_path / "a.pdf", inline))
    assert alike(shown, rgb)


def tiles(rows, columns, *, overlap=0, size=(640, 360), scale=0.5):
    """Return the content, resources and objects of a picture cut into pieces."""
    rgb = photo(*size)
    content, names, objects = b"", b"", []
    height, width = size[1] // rows, size[0] // columns
    for row in range(rows):
        for column in range(columns):
            top, left = row * height, column * width
            piece = rgb[top : top + height + overlap, left : left + width]
            number = len(objects)
            place = (piece.shape[1] * scale, piece.shape[0] * scale, 20 + left * scale,
                     20 + (size[1] - top - piece.shape[0]) * scale)  # fmt: skip
            content += b"q %.3f 0 0 %.3f %.3f %.3f cm /S%d Do Q " % (*place, number)
            names += b"/S%d %d 0 R" % (number, number + 5)
            objects.append(image(piece))
    return rgb, content, b"/XObject<<" + names + b">>", objects


@pytest.mark.parametrize(
    ("rows", "columns", "overlap"),
    [(15, 1, 0), (2, 1, 0), (1, 8, 0), (4, 5, 0), (15, 1, 1), (45, 1, 0)],
)
def test_pieces_that_lie_edge_to_edge_are_one_picture(tmp_path, rows, columns, overlap):
    rgb, content, resources, objects = tiles(rows, columns, overlap=overlap)
    _, shown = pictures(pdf(tmp_path / "a.pdf", content, resources, objects))
    assert len(shown) == 1
    assert abs(shown[0].shape[0] - 360) <= 2 and abs(shown[0].shape[1] - 640) <= 2
    small = [np.asarray(Image.fromarray(p).resize((64, 36))).astype(int) for p in (shown[0], rgb)]
    assert np.abs(small[0] - small[1]).mean() < 4


def test_pieces_in_a_form_are_one_picture_on_a_turned_page(tmp_path):
    rgb, content, resources, objects = tiles(6, 1)
    objects.append(form(content, resources, b"0.8 0 0 0.8 5 5"))
    names = b"/XObject<</Fm0 %d 0 R>>" % (4 + len(objects))
    path = pdf(tmp_path / "a.pdf", b"/Fm0 Do", names, objects, page=b"/Rotate 90")
    _, (shown,) = pictures(path)
    assert shown.shape[0] > shown.shape[1], "as viewers turn the page"
    assert np.abs(np.rot90(shown).mean((0, 1)) - rgb.mean((0, 1))).max() < 4


def test_pieces_that_lie_on_their_side_are_one_picture(tmp_path):
    rgb, content, resources, objects = tiles(6, 1)
    content = b"0 1 -1 0 300 0 cm 0.6 0 0 0.6 0 0 cm " + content
    _, (shown,) = pictures(pdf(tmp_path / "a.pdf", content, resources, objects))
    small = [np.asarray(Image.fromarray(p).resize((64, 36))).astype(int)
             for p in (np.rot90(shown, -1), rgb)]  # fmt: skip
    assert np.abs(small[0] - small[1]).mean() < 4


def test_photos_that_lie_edge_to_edge_stay_apart(tmp_path):
    one, other = (np.random.default_rng(n).integers(0, 60, (96, 160, 3), np.uint8) for n in (1, 2))
    content = b"q 160 0 0 96 20 20 cm /A Do Q q 160 0 0 96 20 116 cm /B Do Q"
    objects = [image(one // 4 + 20), image(other // 4 + 180)]
    path = pdf(tmp_path / "a.pdf", content, b"/XObject<</A 5 0 R/B 6 0 R>>", objects)
    assert len(read_source(path).entries) == 2


def test_pictures_apart_from_each_other_stay_apart(tmp_path):
    content = b"q 160 0 0 96 20 20 cm /A Do Q q 160 0 0 96 20 130 cm /B Do Q"
    objects = [image(PHOTO), image(photo(seed=2))]
    path = pdf(tmp_path / "a.pdf", content, b"/XObject<</A 5 0 R/B 6 0 R>>", objects)
    assert len(read_source(path).entries) == 2


def cmyk(rgb, *, decode):
    """Return a JPEG of four inks as layout programs write it: not inverted, as Pillow does."""
    inks = np.asarray(Image.fromarray(rgb).convert("CMYK"))
    out = io.BytesIO()
    Image.fromarray(inks if decode else 255 - inks, "CMYK").save(out, "JPEG", quality=95)
    data = bytearray(out.getvalue())
    at = data.find(b"\xff\xee")  # Adobe's marker, by which Pillow inverts
    if at >= 0:
        del data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
    return bytes(data)


@pytest.mark.parametrize("decode", [False, True])
def test_colors_are_those_of_viewers(tmp_path, decode):
    more = b"/Decode[1 0 1 0 1 0 1 0]" if decode else b""
    data = cmyk(PHOTO, decode=decode)
    objects = [image(PHOTO, more, space=b"/DeviceCMYK", data=data)]
    path = pdf(tmp_path / "a.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>", objects)
    _, (shown,) = pictures(path)
    with pypdfium2.PdfDocument(path) as document:
        page = document[0].render(crop=(20, 20, 220, 184)).to_pil().convert("RGB")
    assert alike(shown, np.asarray(page))
    assert np.corrcoef(shown.ravel(), PHOTO.ravel())[0, 1] > 0.9, "no negative"


def test_masks_and_inverted_gray_are_applied(tmp_path):
    mask = np.zeros((96, 160), np.uint8)
    mask[:, 80:] = 255
    hidden = stream(mask.tobytes(), b"/Type/XObject/Subtype/Image/Width 160/Height 96"
                    b"/ColorSpace/DeviceGray/BitsPerComponent 8")  # fmt: skip
    path = pdf(tmp_path / "a.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>",
               [image(PHOTO, b"/SMask 6 0 R"), hidden])  # fmt: skip
    _, shown = pictures(path)
    assert shown[0][:, :75].min() > 250 and alike(shown[0][:, 85:], PHOTO[:, 85:])
    gray = np.asarray(Image.fromarray(PHOTO).convert("L"))
    data = jpeg(PHOTO, "L")
    inverted = image(PHOTO, b"/Decode[1 0]", space=b"/DeviceGray", data=data)
    _, (shown,) = pictures(pdf(tmp_path / "b.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>", [inverted]))
    assert np.abs(shown[..., 0].astype(int) - (255 - gray)).mean() < 3


def attached(path, name, data, *, where="names"):
    """Write a PDF with a file attached to it."""
    file = stream(data, b"/Type/EmbeddedFile")
    about = b"<</Type/Filespec/F(%s)/EF<</F 5 0 R>>>>" % name.encode()
    ways = {
        "names": {"catalog": b"/Names<</EmbeddedFiles<</Names[(a) 6 0 R]>>>>"},
        "tree": {"catalog": b"/Names<</EmbeddedFiles<</Kids[<</Names[(a) 6 0 R]>>]>>>>"},
        "associated": {"catalog": b"/AF[6 0 R]"},
        "note": {"page": b"/Annots[<</Subtype/FileAttachment/Rect[0 0 9 9]/FS 6 0 R>>]"},
        "film": {"page": b"/Annots[<</Subtype/RichMedia/Rect[0 0 9 9]/RichMediaContent"
                 b"<</Assets<</Names[(a) 6 0 R]>>>>>>]"},
        "rendition": {"page": b"/Annots[<</Subtype/Screen/Rect[0 0 9 9]/A<</S/Rendition/R"
                      b"<</S/MR/C<</S/MCD/D 6 0 R>>>>>>>>]"},
    }  # fmt: skip
    return pdf(path, b"", objects=[file, about], **ways[where])


@pytest.mark.parametrize("where", ["names", "tree", "associated", "note", "film", "rendition"])
def test_attached_files_are_opened(tmp_path, where):
    path = attached(tmp_path / "a.pdf", "IMG_1.jpg", jpeg(PHOTO), where=where)
    found, (shown,) = pictures(path)
    assert found.entries[0].name == "a.pdf, attachment 1, IMG_1.jpg" and alike(shown, PHOTO)


def test_attached_documents_and_archives_are_opened(tmp_path):
    inner = pdf(tmp_path / "in.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>", [image(PHOTO)])
    found, (shown,) = pictures(attached(tmp_path / "a.pdf", "in.pdf", inner.read_bytes()))
    assert found.entries[0].name == "a.pdf, attachment 1, in.pdf, page 1, picture 1"
    assert alike(shown, PHOTO)
    archive = packed(tmp_path / "b.zip", {"x.jpg": jpeg(PHOTO), "notes.txt": b"words"})
    found, (shown,) = pictures(attached(tmp_path / "c.pdf", "b.zip", archive.read_bytes()))
    assert alike(shown, PHOTO) and [one.reason for one in found.passed_over] == ["text"]


def test_documents_in_documents_end_at_a_depth(tmp_path):
    path = pdf(tmp_path / "0.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>", [image(PHOTO)])
    for number in range(1, nested.MAX_DEPTH + 2):
        path = attached(tmp_path / f"{number}.pdf", "in.pdf", path.read_bytes())
    (entry,) = read_source(path).entries
    assert entry.error is not None and "too deep" in entry.error.message
    with pytest.raises(MediaError):
        entry.open(tmp_path)


def test_data_attached_to_an_invoice_are_passed_over(tmp_path):
    found = read_source(attached(tmp_path / "a.pdf", "factur-x.xml", b"<?xml version='1.0'?><a/>"))
    assert found.entries == []
    assert [one.reason for one in found.passed_over] == [PassedOverReason.TEXT]


def test_a_form_that_draws_itself_ends(tmp_path):
    objects = [form(b"/Fm0 Do /Im0 Do", b"/XObject<</Fm0 5 0 R/Im0 6 0 R>>"), image(PHOTO)]
    path = pdf(tmp_path / "a.pdf", b"/Fm0 Do", b"/XObject<</Fm0 5 0 R>>", objects)
    assert len(read_source(path).entries) == 1


def document(path, files, kind="word"):
    root = {"word": "document.xml", "ppt": "presentation.xml", "xl": "workbook.xml"}[kind]
    parts = {"[Content_Types].xml": b"<Types/>", f"{kind}/{root}": TEXT.encode()}
    return packed(path, parts | {f"{kind}/_rels/{root}.rels": RELS.format("").encode()} | files)


DRAWINGS = {
    "image1.emf": (b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(60), "EMF"),
    "image1.wmf": (b"\xd7\xcd\xc6\x9a" + bytes(60), "WMF"),
    "image2.wmf": (b"\x01\0\x09\0\0\x03" + bytes(60), "WMF"),
    "image1.wdp": (b"II\xbc\x01" + bytes(60), "JPEG XR"),
}


@pytest.mark.parametrize("kind", ["word", "ppt", "xl"])
def test_drawings_of_office_programs_are_named_beside_a_picture(tmp_path, kind):
    files = {f"{kind}/media/{name}": data for name, (data, _) in DRAWINGS.items()}
    files[f"{kind}/media/photo.png"] = picture()
    path = document(tmp_path / "a.docx", files, kind)
    named = {}
    for number, entry in enumerate(read_source(path).entries):
        try:
            opened(entry, tmp_path / str(number))
        except MediaError as error:
            named[entry.name.split(", ")[-1]] = error.message
    assert {name: kind for name, (_, kind) in DRAWINGS.items()} == {
        name: message.partition("(")[2].partition(")")[0] for name, message in named.items()
    }


def test_a_vector_drawing_of_an_office_file_is_counted(tmp_path):
    path = document(tmp_path / "a.docx", {"word/media/i.svg": b"<svg xmlns='x'></svg>"})
    found = read_source(path)
    assert [one.reason for one in found.passed_over] == [PassedOverReason.DRAWING]


def test_documents_within_office_files_are_opened(tmp_path):
    inner = document(tmp_path / "b.docx", {"word/media/p.jpg": jpeg(PHOTO)})
    ole = b"\xd0\xcf\x11\xe0" + bytes(600) + jpeg(PHOTO)
    path = document(tmp_path / "a.docx", {
        "word/embeddings/Document1.docx": inner.read_bytes(),
        "word/embeddings/oleObject1.bin": ole,
        "word/embeddings/oleObject2.bin": b"\xd0\xcf\x11\xe0" + bytes(600),
    })  # fmt: skip
    first, second = sorted(read_source(path).entries, key=lambda entry: entry.name)
    assert first.name == "a.docx, Document1.docx, p.jpg"
    assert alike(opened(first, tmp_path / "x"), PHOTO)
    assert second.error is not None and "(OLE)" in second.error.message


@pytest.mark.shared
@pytest.mark.parametrize("name", ["pdf_form.pdf", "pdf_attachment.pdf", "pdf_strips.pdf"])
def test_documents_of_reports(tmp_path, shared, name):
    plain = read_source(shared / "bugs5" / "pdf_plain.pdf").entries[0]
    (entry,) = read_source(shared / "bugs5" / name).entries
    assert alike(opened(entry, tmp_path / "a"), opened(plain, tmp_path / "b"))


def test_zip_files_are_still_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr("x.png", picture())
    assert [entry.name for entry in read_source(tmp_path / "a.zip").entries] == ["x.png"]
