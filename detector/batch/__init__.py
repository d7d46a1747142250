"""Batch analysis of many files: entries from a source, concurrent runs, a durable journal.

from detector.batch import BatchRun, BatchOptions, read_source

with BatchRun(Path("results")) as batch:
tally = batch.run(read_source(Path("clips")).entries)
"""

from detector.batch.document import DOCUMENT_ENDINGS as DOCUMENT_ENDINGS
from detector.batch.engine import BatchOptions as BatchOptions
from detector.batch.engine import BatchRun as BatchRun
from detector.batch.engine import BatchTally as BatchTally
from detector.batch.entry import Entry as Entry
from detector.batch.entry import failed as failed
from detector.batch.source import is_container as is_container
from detector.batch.source import read_container as read_container
from detector.batch.source import read_source as read_source
from detector.batch.watch import FolderWatch as FolderWatch
