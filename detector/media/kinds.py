"""Unsupported file types: recognized by their first bytes and refused with advice."""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from detector.errors import MediaError
from detector.media.limits import SNIFF_BYTES
from detector.schema.passed_over import PassedOverReason
from detector.sentences import _, ngettext

ACCEPTED = _("Try MP4, MOV, WebM, MKV, AVI, JPEG, PNG, WebP, GIF, MP3, M4A, WAV, FLAC or Ogg.")

_NO_MEDIA = ((b"8BPS", _("This is a Photoshop document, not a video or a picture.")),)
_OPENED = (
    (b"%PDF", _("This is a PDF document, not a video or a picture.")),
    (b"PK\x03\x04", _("This is a ZIP archive or an office document, not a video or a picture.")),
)
_BATCH = _("A batch opens it: the page Batch, or the command `unmask batch`.")
_ARCHIVE = _("This is an archive ({kind}): its files are not looked at in it.")
_IMAGE = _("This is an image of a disk or a device ({kind}): its files are not looked at in it.")
_MAIL = _("This is {kind}: the files in it are not looked at.")
_OLE = _("an Outlook message or a document of an older office program")
_UNPACKED = {
    _ARCHIVE: _("Unpack it first, and choose its files or their folder."),
    _IMAGE: _("Open it with a program for such images, and export the files."),
    _MAIL: _("Open it, save the files in it, and choose these."),
}
_HOLDING = (
    (0, b"Rar!", _ARCHIVE, "RAR"),
    (0, b"7z\xbc\xaf", _ARCHIVE, "7-Zip"),
    (0, b"\x1f\x8b", _ARCHIVE, "gzip"),
    (0, b"BZh", _ARCHIVE, "bzip2"),
    (0, b"\xfd7zXZ\x00", _ARCHIVE, "XZ"),
    (0, b"\x5d\x00\x00", _ARCHIVE, "LZMA"),
    (0, b"\x28\xb5\x2f\xfd", _ARCHIVE, "Zstandard"),
    (0, b"\x04\x22\x4d\x18", _ARCHIVE, "LZ4"),
    (0, b"\x1f\x9d", _ARCHIVE, "compress"),
    (0, b"\x1f\xa0", _ARCHIVE, "compress"),
    (0, b"LZIP", _ARCHIVE, "lzip"),
    (0, b"MSCF\x00", _ARCHIVE, "CAB"),
    (0, b"ITSF", _ARCHIVE, "CHM"),
    (0, b"**ACE**", _ARCHIVE, "ACE"),
    (7, b"**ACE**", _ARCHIVE, "ACE"),
    (0, b"\x60\xea", _ARCHIVE, "ARJ"),
    (2, b"-lh", _ARCHIVE, "LHA"),
    (0, b"SIT!", _ARCHIVE, "StuffIt"),
    (0, b"StuffIt", _ARCHIVE, "StuffIt"),
    (0, b"xar!", _ARCHIVE, "XAR"),
    (0, b"AA01", _ARCHIVE, "Apple Archive"),
    (0, b"YAA1", _ARCHIVE, "Apple Archive"),
    (0, b"ANDROID BACKUP\n", _ARCHIVE, "Android backup"),
    (0, b"070701", _ARCHIVE, "cpio"),
    (0, b"070702", _ARCHIVE, "cpio"),
    (0, b"070707", _ARCHIVE, "cpio"),
    (0, b"\xc7\x71", _ARCHIVE, "cpio"),
    (0, b"MSWIM\x00", _IMAGE, "WIM"),
    (0, b"hsqs", _IMAGE, "SquashFS"),
    (0, b"EVF\x09\x0d\x0a\xff", _IMAGE, "E01"),
    (0, b"EVF2\x0d\x0a\x81", _IMAGE, "Ex01"),
    (0, b"LVF\x09\x0d\x0a\xff", _IMAGE, "L01"),
    (0, b"LEF2\x0d\x0a\x81", _IMAGE, "Lx01"),
    (0, b"AFF10\x0d\x0a\x00", _IMAGE, "AFF"),
    (0, b"AFFFF", _IMAGE, "AFF"),
    (0, b"ADSEGMENTEDFILE", _IMAGE, "AD1"),
    (0, b"conectix", _IMAGE, "VHD"),
    (0, b"vhdxfile", _IMAGE, "VHDX"),
    (0, b"KDMV", _IMAGE, "VMDK"),
    (0, b"COWD", _IMAGE, "VMDK"),
    (0, b"# Disk DescriptorFile", _IMAGE, "VMDK"),
    (0, b"QFI\xfb", _IMAGE, "QCOW"),
    (64, b"\x7f\x10\xda\xbe", _IMAGE, "VDI"),
    (0, b"encrcdsa", _IMAGE, "DMG"),
    (3, b"NTFS    ", _IMAGE, "NTFS"),
    (3, b"EXFAT   ", _IMAGE, "exFAT"),
    (54, b"FAT1", _IMAGE, "FAT"),
    (82, b"FAT32", _IMAGE, "FAT32"),
    (512, b"EFI PART", _IMAGE, "GPT"),
    (1080, b"\x53\xef", _IMAGE, "ext"),
    (1024, b"H+\x00\x04", _IMAGE, "HFS+"),
    (32, b"NXSB", _IMAGE, "APFS"),
    (0, b"!BDN", _MAIL, _("a mailbox of Outlook")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _MAIL, _OLE),
    (0, b"\x78\x9f\x3e\x22", _MAIL, _("an attachment of Outlook (winmail.dat)")),
)
"""Offset, signature, sentence and name of files that hold other files, and are not opened"""
_OPTICAL = ((32_769, b"CD001"), (32_769, b"BEA01"), (37_633, b"CD001"))
"""Offset and signature of images of optical disks, the last one in raw sectors"""
_PROGRAM = _("This is a program, not a video or a picture.")
_FONT = _("This is a font, not a video or a picture.")
_DATABASE = _("This is a database, not a video or a picture.")
_SYSTEM = _("This is a file of a system or a camera card, not a video or a picture.")
_NEVER_MEDIA = (
    (b"\x7fELF", _PROGRAM),
    (b"MZ", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),  # Java, and macOS for several processors
    (b"\xcf\xfa\xed\xfe", _PROGRAM),
    (b"\xce\xfa\xed\xfe", _PROGRAM),
    (b"\x00asm\x01\x00\x00\x00", _PROGRAM),
    (b"dex\n03", _PROGRAM),
    (b"!<arch>\n", _PROGRAM),
    (b"GGUF", _PROGRAM),
    (b"\x93NUMPY", _DATABASE),
    (b"OTTO\x00", _FONT),
    (b"\x00\x01\x00\x00\x00", _FONT),
    (b"true\x00", _FONT),
    (b"ttcf\x00", _FONT),
    (b"wOFF", _FONT),
    (b"wOF2", _FONT),
    (b"SQLite format 3\x00", _DATABASE),
    (b"\x89HDF\r\n\x1a\n", _DATABASE),
    (b"PAR1", _DATABASE),
    (b"\xd4\xc3\xb2\xa1", _DATABASE),  # captured network packets
    (b"bplist00", _SYSTEM),
    (b"\x00\x00\x00\x01Bud1", _SYSTEM),
    (b"\x00\x05\x16\x07\x00\x02\x00\x00", _SYSTEM),
    (b"\x4c\x00\x00\x00\x01\x14\x02\x00", _SYSTEM),  # a Windows shortcut
    (b"regf", _SYSTEM),
    (b"INDX0", _SYSTEM),  # lists of the clips of AVCHD, Blu-ray and DVD
    (b"MOBJ0", _SYSTEM),
    (b"HDMV0", _SYSTEM),
    (b"MPLS0", _SYSTEM),
    (b"DVDVIDEO-V", _SYSTEM),
    (b"ElfFile\x00", _SYSTEM),
)
"""Signatures of files that hold no video, picture or sound."""
_UNREAD = (
    (0, b"#!SILK_V3", "SILK"),
    (1, b"#!SILK_V3", "SILK"),  # of WeChat and QQ
    (0, b"#!SILK\n", "SILK"),
    (0, b"\x03ds2", "DS2"),
    (0, b"MSVOICE", "MSV"),
    (0, b"ajkg", "Shorten"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"WMPHOTO", "JPEG XR"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"\x00\x00\x02" + bytes(9), "TGA"),
    (0, b"\x00\x00\x0a" + bytes(9), "TGA"),
    (0, b"\x0a\x05\x01", "PCX"),
    (0, b"\x00\x00\x00\x01\x00\x71", "H.266"),
    (0, b"\x00\x00\x00\x01\x00\x79", "H.266"),
    (0, b"\x00\x00\x00\x01\x00\xa1", "H.266"),
    (0, b"icns", "ICNS"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"qoif", "QOI"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"\x8bJNG\r\n\x1a\n", "JNG"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (0, b"\x01\x00\x09\x00\x00\x03", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"\x01\xda\x00\x01", "SGI"),
    (0, b"\x01\xda\x01\x01", "SGI"),
    (0, b"FWS", "Flash"),
    (0, b"CWS", "Flash"),
    (0, b"ZWS", "Flash"),
    (0, b"BIKi", "Bink"),
    (0, b"KB2", "Bink"),
    (0, b"SMK2", "Smacker"),
    (4, b"REDV", "REDCODE"),
    (4, b"RED1", "REDCODE"),
    (4, b"RED2", "REDCODE"),
    (0, b"MThd", "MIDI"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "TTA"),
    (0, b"\x03ds2", "DS2"),
    (12, b"CgBI", _("PNG of an iOS app")),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
)
"""Offset, signature and name of unsupported media types."""
_DRAWING = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_SPHERE_CODING = re.compile(rb"sample_coding -s\d+ [a-z,]*(embedded-[\w.-]+|wavpack|shortpack)")
_PNM = re.compile(rb"P[1-7]\s+(#|\d|WIDTH)")
_RAW = (
    (0, b"II*\x00\x10\x00\x00\x00CR", "CR2"),
    (4, b"ftypcrx ", "CR3"),
    (0, b"II\x1a\x00\x00\x00HEAPCCDR", "CRW"),
    (0, b"FUJIFILMCCD-RAW", "RAF"),
    (0, b"IIRO", "ORF"),
    (0, b"IIRS", "ORF"),
    (0, b"MMOR", "ORF"),
    (0, b"IIU\x00", "RW2"),
    (0, b"FOVb", "X3F"),
    (0, b"\x00MRM", "MRW"),
)
"""The same of camera raw files; others begin as a TIFF."""
_RAW_OF_MAKERS = {b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"SAMSUNG": "SRW"}

# Tags of TIFF 6.0, TIFF/EP and DNG.
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUBDIRECTORIES, _DNG = 254, 259, 262, 271, 330, 50706
_OF_SENSORS = (32803, 34892)  # photometric interpretations: a color filter array, linear raw
_CODED_BY_CAMERAS = (32767, 32769, 32770, 32772, 34713, 65000, 65535)
_TIFF = {b"II*\x00": "little", b"MM\x00*": "big"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 13: 4}  # bytes of a value by type
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 16, 512, 64
_PICTURES = re.compile(
    rb"\xff\xd8\xff[\xe0\xe1\xdb]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBPVP8|II\*\0|MM\0\*"
    rb"|.{4}ftyp(?:avif|heic|mif1)",
    re.DOTALL,
)
_FILMS = re.compile(
    rb"\0\0\0.ftyp[A-Za-z0-9 ]{4}|\x1a\x45\xdf\xa3.{1,40}\x42\x82|RIFF.{4}(?:AVI LIST|WAVEfmt )"
    rb"|OggS\0\x02|fLaC\0\0\0\x22",
    re.DOTALL,
)


def refusal(file: BinaryIO, head: bytes) -> MediaError | None:
    """Return the error for a file of an unsupported type, by its first bytes; None for others."""
    for start, what in _OPENED:
        if head.startswith(start):
            return MediaError(what, code="unsupported", hint=_BATCH)
    if is_mail(head):
        text = _("This is a stored mail or web page, not a video or a picture.")
        return MediaError(text, code="unsupported", hint=_BATCH)
    for start, what in (*_NO_MEDIA, *_NEVER_MEDIA):
        if head.startswith(start):
            return MediaError(what, code="unsupported", hint=ACCEPTED)
    if (holding := _holding(file, head)) is not None:
        what, kind = holding
        return MediaError(what.format(kind=kind), code="unsupported", hint=_UNPACKED[what])
    if raw := _among(_RAW, head) or _raw_tiff(file, head):
        text = _("This is a camera's raw file ({kind}), which has to be developed first.")
        hint = _("Export it as JPEG or TIFF in full size, with a photo program, and use that.")
        return MediaError(text.format(kind=raw), code="unsupported", hint=hint)
    unread = "PNM" if _PNM.match(head) else None if is_text(head) else _among(_UNREAD, head)
    if head.startswith(b"NIST_1A") and (coded := _SPHERE_CODING.search(head[:1024])):
        unread = f"SPHERE, {coded[1].decode()}"
    if unread is not None:
        return MediaError(
            _("We can't read this kind of file ({kind}).").format(kind=unread),
            code="unsupported",
            hint=_("Save it as another kind. {accepted}").format(accepted=ACCEPTED),
        )
    return None


def _holding(file: BinaryIO, head: bytes) -> tuple[str, str] | None:
    """Return the sentence and the name of an archive, a disk image or a mailbox, else None."""
    for start, signature, what, kind in _HOLDING:
        if head.startswith(signature, start):
            return what, kind
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return _ARCHIVE, "tar"
    for start, signature in _OPTICAL:
        file.seek(start)
        if file.read(len(signature)) == signature:
            return _IMAGE, "ISO"
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 512))
    if file.read(4) == b"koly":
        return _IMAGE, "DMG"
    if head[510:512] == b"\x55\xaa" and _is_partitioned(head):
        return _IMAGE, "raw"
    return None


def _is_old_tar(head: bytes) -> bool:
    """Return True for the header of a file in a tar without its signature (V7), by its checksum."""
    field = head[148:156].strip(b" \x00")
    if len(head) < 512 or not head[0] or not re.fullmatch(rb"[0-7]{1,7}", field):
        return False
    return sum(head[:148]) + sum(head[156:512]) + 8 * ord(" ") == int(field, 8)


def _is_partitioned(head: bytes) -> bool:
    """Return True for a boot record with a plausible table of partitions."""
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    used = [entry for entry in entries if any(entry)]
    return bool(used) and all(e[0] in (0, 0x80) and e[4] and any(e[12:16]) for e in used)


def behind_bytes(head: bytes) -> MediaError | None:
    """Return the error for media preceded by other bytes, such as a byte order mark or a download's
    header: programs disagree on whether to show them."""
    hint = _("Download or copy it again, or save the picture anew with a program that opens it.")
    if (film := _FILMS.search(head, 1)) is not None:
        count = film.start()
        text = ngettext(
            "A video or sound begins only after {count} other byte in this file.",
            "A video or sound begins only after {count} other bytes in this file.",
            count,
        )
        hint = _("Download or copy it again: a program wrote something else before it.")
    elif (found := _PICTURES.search(head, 1)) is not None:
        count = found.start()
        text = ngettext(
            "A picture begins only after {count} other byte in this file.",
            "A picture begins only after {count} other bytes in this file.",
            count,
        )
    else:
        return None
    return MediaError(text.format(count=count), code="unsupported", hint=hint)


def is_text(head: bytes) -> bool:
    """Return True for text: in UTF-8, in UTF-16 with a byte order mark, or in an older encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _is_utf16(head)
    if b"\x00" in head:
        return False
    try:
        head[: SNIFF_BYTES - 8].decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut at the end of the buffer.
        if error.start <= SNIFF_BYTES - 16:
            # Media of this length without a single control character are as good as impossible.
            return len(head) >= _LEAST_LEGACY_TEXT and not _CONTROL.search(head)
    printable = sum(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head)
    return printable > 0.95 * len(head)


_LEAST_LEGACY_TEXT = 64  # bytes
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1c-\x1f\x7f]")


def _is_utf16(head: bytes) -> bool:
    try:
        text = head[: len(head) // 2 * 2].decode("utf-16")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-16", "ignore")
    printable = sum(ch.isprintable() or ch in "\t\n\r\f" for ch in text)
    return len(text) > 1 and printable > 0.95 * len(text)


_HEADER = re.compile(rb"\A(?:\d{1,10}\s*\n|From [^\n]{1,300}\n)?[!-9;-~]{1,60}:[^\n]*\n")
_MAIL_FIELDS = re.compile(
    rb"^(?:MIME-Version|Received|Return-Path|Message-ID|Delivered-To|X-Mailer|DKIM-Signature)\s*:"
    rb"|^Content-Type:\s*multipart/",
    re.IGNORECASE | re.MULTILINE,
)


def is_mail(head: bytes) -> bool:
    """Return True if a file that begins so is a stored mail, mailbox or web page (MHTML)."""
    return _HEADER.match(head) is not None and _MAIL_FIELDS.search(head) is not None


def is_drawing(head: bytes) -> bool:
    """Return True for the text of a drawing (SVG)."""
    return _DRAWING.search(head) is not None and is_text(head)


def no_media_kind(head: bytes) -> PassedOverReason | None:
    """Return what a file that holds no media is, by its signature; None for others."""
    what = next((what for start, what in _NEVER_MEDIA if head.startswith(start)), None)
    kinds = {_DATABASE: PassedOverReason.DATABASE, _SYSTEM: PassedOverReason.SYSTEM}
    return None if what is None else kinds.get(what, PassedOverReason.PROGRAM)


def _among(kinds: tuple[tuple[int, bytes, str], ...], head: bytes) -> str | None:
    return next((kind for at, start, kind in kinds if head.startswith(start, at)), None)


def _raw_tiff(file: BinaryIO, head: bytes) -> str | None:
    """Return the name of a camera raw format based on TIFF, or None."""
    if head[:4] not in _TIFF:
        return None
    directories = list(_directories(file, head))
    first = directories[0] if directories else {}
    kinds = [d.get(_PHOTOMETRIC, (0,))[0] for d in directories]
    codings = [d.get(_COMPRESSION, (0,))[0] for d in directories]
    preview = bool(first.get(_SUBFILE, (0,))[0] & 1) and _SUBDIRECTORIES in first
    if any(_DNG in directory for directory in directories):
        return "DNG"
    if not (preview or {*kinds} & {*_OF_SENSORS} or {*codings} & {*_CODED_BY_CAMERAS}):
        return None
    make = bytes(first.get(_MAKE, ())).upper()
    return next((kind for name, kind in _RAW_OF_MAKERS.items() if make.startswith(name)), "TIFF/EP")


def _directories(file: BinaryIO, head: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """Yield the directories of a TIFF as tag -> values, up to a damaged one."""
    order = _TIFF[head[:4]]

    def number(data: bytes) -> int:
        return int.from_bytes(data, "little" if order == "little" else "big")

    def read(at: int, size: int) -> bytes:
        file.seek(at)
        return file.read(size)

    waiting, known = [number(head[4:8])], set[int]()
    while waiting and len(known) < _MAX_DIRECTORIES:
        at = waiting.pop(0)
        if at == 0 or at in known:
            continue
        known.add(at)
        count = min(number(read(at, 2)), _MAX_ENTRIES)
        entries, values = read(at + 2, 12 * count + 4), dict[int, tuple[int, ...]]()
        for begin in range(0, 12 * count, 12):
            entry = entries[begin : begin + 12]
            if len(entry) < 12 or (size := _SIZES.get(number(entry[2:4]))) is None:
                continue
            length = size * min(number(entry[4:8]), _MAX_VALUES)
            data = entry[8 : 8 + length] if length <= 4 else read(number(entry[8:12]), length)
            values[number(entry[:2])] = tuple(
                number(data[n : n + size]) for n in range(0, len(data), size)
            ) or (0,)
        yield values
        waiting += [*values.get(_SUBDIRECTORIES, ()), number(entries[12 * count : 12 * count + 4])]
