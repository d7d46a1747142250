"""`unmask export-labels`: confirmed records of History as a labelled set."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cli.common import tell, user_files
from cli.options import arg
from detector import paths
from detector.sentences import _


def export_labels(folder: Annotated[Path, arg("gets labels.csv and the files", "FOLDER")]) -> int:
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
        _(
            "{real} untouched and {fake} manipulated files. Left out: {gone} "
            "whose media is not kept any more, {contradicted} that were confirmed as both."
        ).format(
            real=written.real,
            fake=written.fake,
            gone=written.gone,
            contradicted=written.contradicted,
        ),
        error=True,
    )
    return 0
