"""Keeps the promise to delete in a whole Supabase project; for a timer, such as once an hour.

    SUPABASE_URL=… SUPABASE_SECRET_KEY=… python tools/tidy.py

Deletes records that were kept long enough, and the files of records and accounts that are gone. SQL
can't delete files, and no dashboard holds a key that may delete another's: this needs the project's
secret key (or its older service_role key), so run it where nobody else can read it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a file, not as a module

from detector.errors import InputError
from service.records.supabase.store import with_key


def main() -> None:
    """Tidy once; say how many records went."""
    url, key = (os.environ.get(name, "") for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY"))
    if not url or not key:
        sys.exit("unmask: this needs SUPABASE_URL and SUPABASE_SECRET_KEY")
    try:
        deleted = with_key(url, key).purge_all()
    except InputError as error:
        sys.exit(f"unmask: {error.message} {error.hint}".strip())
    print(f"unmask: {deleted} record{'' if deleted == 1 else 's'} deleted")


if __name__ == "__main__":
    main()
