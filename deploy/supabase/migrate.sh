#!/bin/sh
# Applies the files of migrations/ that were not applied yet, in the order of their names, each whole
# or not at all. To the database that PGHOST, PGUSER and so on name. What was applied stands in the
# table that Supabase's own command line keeps, so `supabase db push` goes on from here.
set -eu
cd "$(dirname "$0")/migrations"
export PGOPTIONS="-c client_min_messages=warning"

ask() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@"
}

ask --command "create schema if not exists supabase_migrations" --command "
    create table if not exists supabase_migrations.schema_migrations (
        version text primary key, statements text[], name text
    )"
for file in *.sql; do
    version=${file%%_*}
    name=${file#*_}
    name=${name%.sql}
    known=$(ask --command "
        select version from supabase_migrations.schema_migrations where version = '$version'")
    [ -z "$known" ] || continue
    # The row first: of two that do this at once, one waits for the other and is refused.
    ask --single-transaction --command "
        insert into supabase_migrations.schema_migrations (version, name)
        values ('$version', '$name')" --file "$file" > /dev/null
    echo "unmask: applied $file"
done
ask --command "notify pgrst, 'reload schema'"
