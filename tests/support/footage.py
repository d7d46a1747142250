"""Footage for tests: added to a library a file at a time, and clips of any length."""

import av

from detector.errors import MediaError
from service.library.catalog import UPLOADED
from service.records.tables import Footage


def add_file(library, owner, path, source=UPLOADED):
    """What a file became; None where its content is known already."""
    told: list[tuple[Footage | None, MediaError | None]] = []
    library.add_files(
        owner, [path], source, lambda _path, footage, error: told.append((footage, error))
    )
    [(footage, error)] = told
    if error is not None:
        raise error
    return footage


def repeated(source, times):
    """The same clip over and over, without encoding again."""
    path = source.with_stem(f"{source.stem}_x{times}")
    if path.exists():
        return path
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as out, av.open(str(source)) as probe:
        template = probe.streams.video[0]
        target = out.add_stream_from_template(template)
        assert template.average_rate and template.time_base
        duration = round(template.frames / template.average_rate / template.time_base)
        for round_ in range(times):
            with av.open(str(source)) as again:
                for packet in again.demux(again.streams.video[0]):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += round_ * duration
                    packet.dts += round_ * duration
                    packet.stream = target
                    out.mux(packet)
    partial.rename(path)
    return path


def many(folder, count):
    """Clips whose content differs: bytes after the last box, which no reader minds."""
    from tests.support.clips import face_clip

    folder.mkdir()
    whole = face_clip(1, 320, 240, 25).read_bytes()
    for n in range(count):
        free = (12).to_bytes(4, "big") + b"free" + n.to_bytes(4, "big")
        (folder / f"{n:02}.mp4").write_bytes(whole + free)
    return folder
