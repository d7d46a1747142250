-- An index of records by their file, which comparisons and lookups ask for.
create index if not exists records_by_file on public.records (owner, sha256);
