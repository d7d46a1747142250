"""Archives and documents with pictures in them, as people and programs make them."""

import io
import zipfile

import numpy as np
from PIL import Image


def picture(shade=120, form="PNG"):
    out = io.BytesIO()
    noise = np.random.default_rng(shade).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(out, form)
    return out.getvalue()


def packed(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


RELS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
TEXT = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">{}</w:document>'
)


def docx(path, text):
    links = '<Relationship Id="r1" Target="media/image1.png"/>'
    links += '<Relationship Id="r2" Target="media/image2.png"/>'
    return packed(
        path,
        {
            "[Content_Types].xml": b"<Types/>",
            "word/document.xml": text.encode(),
            "word/_rels/document.xml.rels": RELS.format(links).encode(),
            "word/media/image1.png": picture(1),
            "word/media/image2.png": picture(2),
            "docProps/thumbnail.jpeg": picture(3),
        },
    )


def pdf(path):
    from fpdf import FPDF

    made = FPDF()
    for page in ((1,), (), (2, 3)):
        made.add_page()
        for shade in page:
            made.image(io.BytesIO(picture(shade, "JPEG" if shade == 1 else "PNG")), w=40)
    made.output(str(path))
    return path
