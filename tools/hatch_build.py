"""Put the catalogs of locale/ into a wheel, compiled; a checkout compiles what it reads."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogs(BuildHookInterface):
    """What hatchling asks before and after a wheel is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        folder, self.built = Path(self.root) / "locale", Path(tempfile.mkdtemp())
        for source in folder.glob("*/LC_MESSAGES/*.po"):
            name = source.relative_to(folder).with_suffix(".mo")
            (self.built / name).parent.mkdir(parents=True)
            with source.open("rb") as read, (self.built / name).open("wb") as written:
                write_mo(written, read_po(read, locale=name.parts[0]))
            build_data["force_include"][str(self.built / name)] = f"service/_locale/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            shutil.rmtree(self.built)
