"""PDFs written by hand, with pictures in every place that programs put them."""

import io

import numpy as np
from PIL import Image


def photo(width=160, height=96, seed=0):
    """A smooth picture in colors, uint8 [height, width, 3]."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    layers = (200 * x + 30, 200 * y + 20, 120 + 80 * np.sin(6 * (x + y) + seed))
    return np.stack(layers, axis=2).astype(np.uint8)


def jpeg(rgb, mode="RGB"):
    out = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(out, "JPEG", quality=92)
    return out.getvalue()


def image(rgb, more=b"", *, space=b"/DeviceRGB", data=None):
    """An image object, as a JPEG."""
    height, width = rgb.shape[:2]
    about = b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace %s/BitsPerComponent 8"
    return stream(jpeg(rgb) if data is None else data,
                  about % (width, height, space) + b"/Filter/DCTDecode" + more)  # fmt: skip


def stream(data, about=b""):
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (about, len(data), data)


def form(content, resources, matrix=b"1 0 0 1 0 0"):
    about = b"/Type/XObject/Subtype/Form/BBox[0 0 1000 1000]/Matrix[%s]/Resources<<%s>>"
    return stream(content, about % (matrix, resources))


def pdf(path, content, resources=b"", objects=(), *, page=b"", catalog=b""):
    """Write a PDF of one page; the first of `objects` has number 5."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 300]/Contents 4 0 R/Resources<<%s>>%s>>"
        % (resources, page),
        stream(content),
        *objects,
    ]
    out = b"%PDF-1.7\n"
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    begin = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, begin)
    path.write_bytes(out)
    return path
