-- The analyses: one row each, as service/records/store.py describes a record.
--
-- A result arrives in one UPDATE, so that there is all of it or nothing. The document is text, not
-- jsonb: it comes back byte for byte (reports are sealed over it), and holds what jsonb refuses, such
-- as a NUL in a camera's metadata. The place of the recording lies beside it, so that what strangers
-- are shown can't contain it.

create table if not exists public.analyses (
  id text primary key check (id ~ '^[A-Za-z0-9_-]{22}$'),
  owner uuid not null default auth.uid() references auth.users (id) on delete cascade,
  created timestamptz not null default now(),
  touched timestamptz not null default now(),
  name text not null check (char_length(name) <= 300),
  sha256 text not null default '' check (sha256 ~ '^([0-9a-f]{64})?$'),
  size bigint not null default 0 check (size >= 0),
  source text not null default 'upload' check (source in ('upload', 'live')),
  settings jsonb not null default '{}' check (octet_length(settings::text) <= 65536),
  state text not null default 'queued'
    check (state in ('queued', 'running', 'done', 'failed', 'canceled', 'interrupted')),
  run text not null default '' check (char_length(run) <= 200),
  cache_key text not null default '' check (char_length(cache_key) <= 200),
  fault jsonb check (octet_length(fault::text) <= 65536),
  result jsonb check (octet_length(result::text) <= 65536),
  -- Of `result`, to filter and order by. The two that no constant expression gives are written.
  analyzed timestamptz,
  verdict text generated always as (result ->> 'verdict') stored,
  probability double precision
    generated always as ((result ->> 'probability')::double precision) stored,
  models text[] not null default '{}' check (cardinality(models) <= 200),
  again timestamptz,
  note text not null default '' check (char_length(note) <= 4000),
  tags text[] not null default '{}' check (cardinality(tags) <= 20),
  confirmed text not null default '' check (confirmed in ('', 'fake', 'real')),
  -- What a search looks through, folded by the dashboard.
  haystack text not null default '' check (octet_length(haystack) <= 65536),
  document text check (octet_length(document) <= 67108864),
  place text check (octet_length(place) <= 65536),
  -- A WebP of 10 kB at most, in base64.
  thumbnail text check (octet_length(thumbnail) <= 16384),
  -- Where its media lies in the bucket, if it was kept.
  media text check (media like owner::text || '/' || id || '/%'),
  -- What it takes up here, in bytes.
  stored bigint generated always as (
    coalesce(octet_length(document), 0) + coalesce(octet_length(place), 0)
    + coalesce(octet_length(thumbnail), 0)
  ) stored,
  -- For others to refer to a record together with whose it is.
  unique (id, owner),
  check ((state = 'done') = (result is not null)),
  check ((result is null) = (document is null))
);
create index if not exists analyses_of_owner on public.analyses (owner, touched desc, id);
create index if not exists analyses_by_key on public.analyses (owner, cache_key, analyzed desc)
  where cache_key <> '';
create index if not exists analyses_by_age on public.analyses (touched);

-- Quotas --------------------------------------------------------------------------------------------

-- After, not before: by then the policy has refused whoever writes in another's name, so nobody can
-- learn from an error how full another's account is. The lock lets one of two at once through.
create or replace function private.count_record() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  most record;
  had record;
  this_hour integer;
begin
  perform pg_advisory_xact_lock(hashtextextended('records:' || new.owner, 0));
  select * into most from private.limits(new.owner);
  select count(*) as records, coalesce(sum(a.stored), 0) as bytes into had
    from public.analyses a where a.owner = new.owner;
  if tg_op = 'INSERT' then
    insert into public.usage as u (owner, hour, records)
      values (new.owner, date_trunc('hour', now()), 1)
      on conflict (owner, hour) do update set records = u.records + 1
      returning u.records into this_hour;
    if this_hour > most.max_per_hour then
      raise exception using errcode = 'PT429', detail = 'per_hour',
        message = format('This account may add %s files an hour.', most.max_per_hour);
    end if;
    if had.records > most.max_records then
      raise exception using errcode = 'PT429', detail = 'records',
        message = format('This account may keep %s files.', most.max_records);
    end if;
  end if;
  -- What only gets smaller always goes.
  if had.bytes > most.max_bytes and (tg_op = 'INSERT' or new.stored > old.stored) then
    raise exception using errcode = 'PT429', detail = 'bytes',
      message = format('This account may keep %s bytes of results.', most.max_bytes);
  end if;
  return null;
end
$$;
revoke all on function private.count_record() from public, anon, authenticated;
create or replace trigger count_record after insert on public.analyses
  for each row execute function private.count_record();
create or replace trigger count_growth after update on public.analyses
  for each row when (new.stored > old.stored) execute function private.count_record();

-- Rights --------------------------------------------------------------------------------------------

alter table public.analyses enable row level security;
alter table public.analyses force row level security;
revoke all on public.analyses from public, anon, authenticated;
grant select, insert, delete on public.analyses to authenticated;
-- Whose it is, what file it is of and when it came can't be changed by anybody.
grant update (touched, settings, state, run, cache_key, fault, result, analyzed, models, again, note,
              tags, confirmed, haystack, document, place, thumbnail, media)
  on public.analyses to authenticated;

drop policy if exists "one's own, and admins all" on public.analyses;
create policy "one's own, and admins all" on public.analyses
  for select to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));
drop policy if exists "in one's own name" on public.analyses;
create policy "in one's own name" on public.analyses
  for insert to authenticated
  with check (owner = (select auth.uid()) and (select private.may_write()));
drop policy if exists "one's own, not an admin's to change" on public.analyses;
create policy "one's own, not an admin's to change" on public.analyses
  for update to authenticated
  using (owner = (select auth.uid()) and (select private.may_write()))
  with check (owner = (select auth.uid()) and (select private.may_write()));
-- What is theirs a viewer may delete as well.
drop policy if exists "one's own, and admins any" on public.analyses;
create policy "one's own, and admins any" on public.analyses
  for delete to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));

-- Questions of one round trip -----------------------------------------------------------------------
-- All of these run with the rights of who asks: row-level security holds inside them.

-- A page of what is found, how many there are, and how many each verdict would show ('': no result).
create or replace function public.search_analyses(
  p_owner uuid,
  p_parts text[] default '{}',
  p_verdicts text[] default '{}',
  p_models text[] default '{}',
  p_tags text[] default '{}',
  p_confirmed text[] default '{}',
  p_since timestamptz default null,
  p_until timestamptz default null,
  p_order text default 'newest',
  p_offset integer default 0,
  p_limit integer default 50
) returns table (total bigint, counts jsonb, records jsonb)
language sql stable security invoker set search_path = '' as $$
  with found as materialized (
    select a.id, a.touched, a.name, a.verdict, a.probability
    from public.analyses a
    where a.owner = p_owner
      and not exists (
        select from unnest(p_parts) as part where position(part in a.haystack) = 0
      )
      and (cardinality(p_models) = 0 or a.models && p_models)
      and (cardinality(p_tags) = 0 or a.tags && p_tags)
      and (cardinality(p_confirmed) = 0 or a.confirmed = any (p_confirmed))
      and (p_since is null or a.touched >= p_since)
      and (p_until is null or a.touched < p_until)
  ),
  counted as (
    select coalesce(jsonb_object_agg(coalesce(verdict, ''), number), '{}') as counts
    from (select verdict, count(*) as number from found group by verdict) as by_verdict
  ),
  chosen as (
    select *, row_number() over (order by
      case when p_order = 'newest' then touched end desc,
      case when p_order = 'oldest' then touched end,
      case when p_order = 'name' then lower(name) end,
      case when p_order = 'likelihood' then probability end desc nulls last,
      id
    ) as place
    from found
    where cardinality(p_verdicts) = 0 or verdict = any (p_verdicts)
  ),
  page as (
    select c.place, to_jsonb(a) - array['document', 'place', 'thumbnail', 'haystack', 'media'] as row
    from (select * from chosen order by place offset p_offset limit least(p_limit, 500)) as c
    join public.analyses a on a.id = c.id
  )
  select (select count(*) from chosen), counted.counts,
         coalesce((select jsonb_agg(page.row order by page.place) from page), '[]')
  from counted
$$;

-- How many records have each tag and each model.
create or replace function public.facets(p_owner uuid)
returns table (kind text, name text, number bigint)
language sql stable security invoker set search_path = '' as $$
  select 'tag', tag, count(*) from public.analyses a, unnest(a.tags) as tag
    where a.owner = p_owner group by tag
  union all
  select 'model', model, count(*) from public.analyses a, unnest(a.models) as model
    where a.owner = p_owner group by model
$$;

-- What an account's records and media take up.
create or replace function public.usage_of(p_owner uuid)
returns table (records bigint, bytes bigint)
language sql stable security invoker set search_path = '' as $$
  select count(*), coalesce(sum(a.stored), 0)::bigint from public.analyses a
  where a.owner = p_owner
$$;

revoke all on function
  public.search_analyses(uuid, text[], text[], text[], text[], text[], timestamptz, timestamptz, text,
                         integer, integer),
  public.facets(uuid), public.usage_of(uuid)
  from public, anon, authenticated;
grant execute on function
  public.search_analyses(uuid, text[], text[], text[], text[], text[], timestamptz, timestamptz, text,
                         integer, integer),
  public.facets(uuid), public.usage_of(uuid)
  to authenticated;
