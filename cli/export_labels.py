"""`unmask export-labels`: what was confirmed in History, as a labelled set."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cli.common import tell, user_files
from cli.options import Argument
from detector import paths


def export_labels(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="gets labels.csv and the files")],
) -> int:
    """Write the files that were confirmed in History as a labelled set."""
    # Of the extra `dashboard`, which --help does without.
    from service.feedback import write_labels
    from service.records.database import configured
    from service.records.sql import open_store
    from service.storage import open_uploads

    with user_files(), closing(open_store(configured())) as store:
        written = write_labels(store.confirmed(), open_uploads(paths.data()), folder)
    print(folder / "labels.csv")
    tell(
        f"{written.real} untouched and {written.fake} manipulated files. Left out: {written.gone} "
        f"whose media is not kept any more, {written.contradicted} that were confirmed as both.",
        error=True,
    )
    return 0
