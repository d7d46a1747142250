"""Spectrum and DCT bands of a face.

Upsampling layers of generators leave spectra that camera pictures don't have: too little or too
much high-frequency energy (Durall et al., CVPR 2020, arXiv:2003.01826), or regular peaks (Frank et
al., ICML 2020, arXiv:2003.08685). Sharpening, resizing and compression do so too: this informs an
analyst and never votes."""

import cv2
import numpy as np

from detector.sentences import _
from detector.signals.patch import FacePatch

SIDE = 96  # px. Faces are scaled to it, so that they share an axis: cycles per face.
FACE = 0.9  # Part of the longer side of the box that is read: the face without its outline
SMALLEST = SIDE / FACE
"""px of the longer side of the box, below which a face would have to be blown up."""
BINS = SIDE // 2  # Of the radial profile: bin i is i + 1 cycles per face
COARSE = slice(2, 9)
"""Bins that set the level: light and shade, which differ between faces."""
FINE = slice(24, 48)  # Bins of the fine end: the top octave
BLOCK = 8  # px of the blocks of JPEG, and of most of those of video codecs

TOO_SMALL = _("The face is too small: this needs 107 px.")

_WINDOW = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)
_FREQUENCY = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))) * SIDE
_RING = np.clip(np.round(_FREQUENCY).astype(int), 0, BINS + 1)
_DCT = cv2.dct(np.eye(BLOCK, dtype=np.float32), flags=cv2.DCT_ROWS).T
"""Rows are the cosines of a block, orthonormal."""
_COUNT = np.bincount(_RING.ravel(), minlength=BINS + 2)[1 : BINS + 1]


def face_plane(face: FacePatch) -> np.ndarray | None:
    """Return the face's luma, float32 [SIDE, SIDE]; None if too small or partly outside."""
    side = round(FACE * face.side)
    x0, y0, x1, y1 = face.box
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    height, width = face.luma.shape
    if side < SIDE or left < 0 or top < 0 or left + side > width or top + side > height:
        return None
    square = face.luma[top : top + side, left : left + side]
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def spectrum(plane: np.ndarray) -> np.ndarray:
    """Return log power of a plane, dB, float [SIDE, SIDE] with the coarse end in the middle."""
    return np.fft.fftshift(10 * np.log10(_power(plane) + 1e-3))


def _power(plane: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fft2((plane - plane.mean()) * _WINDOW)) ** 2


def profile(plane: np.ndarray) -> np.ndarray:
    """Return mean log power by fineness, dB over the face's own coarse end, float [BINS]."""
    rings = (
        np.bincount(_RING.ravel(), _power(plane).ravel(), minlength=BINS + 2)[1 : BINS + 1] / _COUNT
    )
    level = 10 * np.log10(rings + 1e-3)
    return level - level[COARSE].mean()


def bands(plane: np.ndarray) -> np.ndarray:
    """Return the energy of the 8 x 8 DCT by diagonal, dB relative to the first one, float [14].
    Diagonal i has the coefficients with u + v = i + 1, in JPEG's order from low to high
    frequency."""
    blocks = plane.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).swapaxes(1, 2)
    energy = ((_DCT @ blocks @ _DCT.T) ** 2).mean((0, 1))
    u, v = np.indices(energy.shape)
    level = np.array([energy[u + v == i].mean() for i in range(1, 2 * BLOCK - 1)])
    decibels = 10 * np.log10(level + 1e-3)
    return decibels - decibels[0]
