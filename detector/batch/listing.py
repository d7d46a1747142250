"""Listing of a source: its entries, and the files passed over."""

from dataclasses import dataclass, field

from detector.batch.entry import Entry
from detector.schema.passed_over import PassedOver


@dataclass(frozen=True)
class Source:
    """Entries in a fixed order with unique names, and the files passed over."""

    entries: list[Entry]
    passed_over: list[PassedOver] = field(default_factory=list)
