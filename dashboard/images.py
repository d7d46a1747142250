"""Pictures as encoded bytes and data URLs."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image


def encode(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    """Return a picture in a format of Pillow ("WEBP"), with its options."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()


def jpeg(rgb: np.ndarray, quality: int = 80) -> bytes:
    """Return a picture as JPEG."""
    return encode(rgb, "JPEG", quality=quality)


def data_url(content: bytes, kind: str) -> str:
    """Return a data URL of an encoded picture; `kind` is "jpeg", "svg+xml"."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"
