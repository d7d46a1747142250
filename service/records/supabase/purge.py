"""Retention of a whole Supabase project; for a timer, such as once an hour.

    SUPABASE_URL=… SUPABASE_SECRET_KEY=… python -m service.records.supabase.purge

Deletes expired records, and the files of deleted records and accounts. SQL can't delete files, and
no dashboard holds a key that may delete those of others: this needs the project's secret key (or
its older service_role key), so run it where no other person can read the key.
"""

import os
import sys

from detector.errors import InputError
from service.records.supabase.store import with_key


def main() -> None:
    """Delete once, and print the number of deleted records."""
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
