"""Writes what Unmask is made of as a CycloneDX bill of materials (JSON, 1.6).

    make sbom                      build/unmask.cdx.json
    python tools/sbom.py FILE

Every package that is shipped (tools/licenses.py) with version, license and what needs it, and every
file of weights that comes with Unmask, with its sha256.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from tools.licenses import license_of, shipped  # noqa: E402

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

USUAL = ROOT / "build" / "unmask.cdx.json"


def bom() -> str:
    """The bill as JSON."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    made = Bom()
    version = re.search(r'"(.+)"', (ROOT / "detector" / "_version.py").read_text("utf-8"))
    assert version is not None
    unmask = Component(
        name="unmask", version=version[1], type=ComponentType.APPLICATION, bom_ref="unmask",
        licenses=_licenses("Apache-2.0"),
    )  # fmt: skip
    made.metadata.component = unmask
    packages = {name: _package(name) for name in shipped()}
    weights = _weights()
    for component in (*packages.values(), *weights):
        made.components.add(component)
    made.register_dependency(unmask, [*(packages[n] for n in _needs("unmask", packages)), *weights])
    for name, package in packages.items():
        made.register_dependency(package, [packages[n] for n in _needs(name, packages)])
    return make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _package(name: str) -> Component:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    version = metadata.version(name)
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name, version=version, purl=purl, bom_ref=purl.to_string(),
        licenses=_licenses(license_of(name)),
    )  # fmt: skip


def _weights() -> list[Component]:
    import hashlib

    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    return [
        Component(
            name=file.name,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"weights/{file.name}",
            hashes=[
                HashType(
                    alg=HashAlgorithm.SHA_256,
                    content=hashlib.sha256(file.read_bytes()).hexdigest(),
                )
            ],
            licenses=_licenses("Apache-2.0"),
        )
        for file in sorted((ROOT / "weights").glob("*.safetensors"))
    ]


def _licenses(text: str) -> list[object]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(text)] if text else []


def _needs(name: str, known: dict[str, Component]) -> list[str]:
    from packaging.requirements import Requirement

    extras = ("", "dashboard", "postgres", "s3") if name == "unmask" else ("",)
    found = set()
    for line in metadata.requires(name) or []:
        asked = Requirement(line)
        if not asked.marker or any(asked.marker.evaluate({"extra": extra}) for extra in extras):
            found.add(re.sub(r"[-_.]+", "-", asked.name).lower())
    return sorted(found & known.keys())


def main(arguments: list[str]) -> None:
    """Write it."""
    target = Path(arguments[0]) if arguments else USUAL
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(bom() + "\n", encoding="utf-8")
    print(f"unmask: {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
