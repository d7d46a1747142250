-- The whole project: roles, quotas, records, links, media and retention.
--
-- Every table of `public` is closed first (a Supabase project opens new ones to the API by default),
-- has row-level security forced on its owner too, and is then opened by grant and policy for exactly
-- what the dashboard does. `anon`, the role of a request without an account, gets one function of all
-- this: the one behind a share link.
--
-- Every function has `search_path = pg_catalog, pg_temp`. An empty one would look for types in pg_temp
-- first: whoever may make a temporary type called `uuid` would run its check as a function's owner.
--
-- May be applied twice. Runs as `postgres`, who bypasses row-level security and is no superuser.

create schema if not exists private;
-- Not served by the API. `authenticated` may call what policies call, and nothing else in here.
revoke all on schema private from public, anon, authenticated;
grant usage on schema private to authenticated;

-- Closes a table that was just made; the policies at the end open it again.
create or replace function private.close(made regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security', made);
  execute format('alter table %s force row level security', made);
  execute format('revoke all on %s from public, anon, authenticated', made);
end
$$;
revoke all on function private.close(regclass) from public, anon, authenticated;

-- This instance -------------------------------------------------------------------------------------

create table if not exists public.instance (
  here boolean primary key default true check (here),
  -- Of an account whose token names none. 'viewer' keeps new accounts out until somebody lets them in.
  default_role text not null default 'analyst' check (default_role in ('viewer', 'analyst')),
  -- Days a record is kept after it was last asked for; null: until its owner deletes it.
  keep_days double precision default 30 check (keep_days > 0),
  -- What one account may have, unless `quotas` says otherwise.
  max_records integer not null default 5000 check (max_records >= 0),
  max_bytes bigint not null default 1073741824 check (max_bytes >= 0),
  max_media_bytes bigint not null default 10737418240 check (max_media_bytes >= 0),
  max_per_hour integer not null default 120 check (max_per_hour >= 0)
);
insert into public.instance (here) values (true) on conflict do nothing;

-- Exceptions to it; null leaves the instance's.
create table if not exists public.quotas (
  owner uuid primary key references auth.users (id) on delete cascade,
  max_records integer check (max_records >= 0),
  max_bytes bigint check (max_bytes >= 0),
  max_media_bytes bigint check (max_media_bytes >= 0),
  max_per_hour integer check (max_per_hour >= 0)
);

-- New records by the hour. Only counted up: who deletes and starts again has still used it.
create table if not exists public.usage (
  owner uuid not null references auth.users (id) on delete cascade,
  hour timestamptz not null,
  records integer not null default 0,
  primary key (owner, hour)
);

-- What people set for themselves: preferences, and ensembles by name.
create table if not exists public.settings (
  owner uuid not null default auth.uid() references auth.users (id) on delete cascade,
  kind text not null check (kind in ('preferences', 'preset')),
  name text not null default '' check (char_length(name) <= 300),
  value jsonb not null check (octet_length(value::text) <= 65536),
  primary key (owner, kind, name),
  check (kind <> 'preferences' or name = ''),
  constraint settings_keep_days check (
    kind <> 'preferences'
    or coalesce(jsonb_typeof(value -> 'keep_days'), 'null') = 'null'
    or (
      jsonb_typeof(value -> 'keep_days') = 'number'
      and (value ->> 'keep_days')::numeric between 0.0006 and 36500
    )
  )
);

-- Roles ---------------------------------------------------------------------------------------------

-- viewer, analyst or admin, by the app_metadata of a token or an account, which only the server can
-- set: a person may write anything into their user_metadata. Whatever is not understood is a viewer.
create or replace function private.role_of(app_metadata jsonb, is_anonymous text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case
    -- Of Supabase's anonymous sign-in: an account that anybody can have any number of.
    when is_anonymous = 'true' then 'viewer'
    when app_metadata ->> 'role' is null then (select i.default_role from public.instance i)
    when app_metadata ->> 'role' in ('analyst', 'admin') then app_metadata ->> 'role'
    else 'viewer'
  end
$$;

create or replace function private.app_role() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case
    when auth.uid() is null then 'nobody'
    else private.role_of(auth.jwt() -> 'app_metadata', auth.jwt() ->> 'is_anonymous')
  end
$$;

create or replace function private.may_write() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select private.app_role() in ('analyst', 'admin') $$;

create or replace function private.is_admin() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select private.app_role() = 'admin' $$;

-- For the operator, in the SQL editor: select private.set_role('ada@example.org', 'admin');
-- It holds from that account's next token on, an hour at most. Null takes the role away.
create or replace function private.set_role(account text, role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if set_role.role is not null and set_role.role not in ('viewer', 'analyst', 'admin') then
    raise exception 'A role is viewer, analyst or admin, not %.', set_role.role;
  end if;
  update auth.users as u
    set raw_app_meta_data = case
      when set_role.role is null then coalesce(u.raw_app_meta_data, '{}') - 'role'
      else coalesce(u.raw_app_meta_data, '{}') || jsonb_build_object('role', set_role.role)
    end
    where lower(u.email) = lower(account);
  if not found then
    raise exception 'There is no account %.', account;
  end if;
end
$$;

-- Limits of one account: its own where it has one, else the instance's.
create or replace function private.limits(
  account uuid,
  out max_records integer, out max_bytes bigint, out max_media_bytes bigint, out max_per_hour integer
) language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(q.max_records, i.max_records), coalesce(q.max_bytes, i.max_bytes),
         coalesce(q.max_media_bytes, i.max_media_bytes), coalesce(q.max_per_hour, i.max_per_hour)
  from public.instance i left join public.quotas q on q.owner = account
$$;

-- 1 MB in all: 41 settings of 64 KB each would be 2.7. What only gets smaller always goes.
create or replace function private.count_settings() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  had record;
begin
  perform pg_advisory_xact_lock(hashtextextended('settings:' || new.owner, 0));
  select count(*) as number,
         coalesce(sum(octet_length(s.value::pg_catalog.text) + octet_length(s.name)), 0) as bytes
    into had
    from public.settings s where s.owner = new.owner;
  if had.number > 41 then
    raise exception using errcode = 'PT429', message = 'Too many presets.', detail = 'presets';
  end if;
  if had.bytes > 1048576
    and (
      tg_op = 'INSERT'
      or octet_length(new.value::pg_catalog.text) > octet_length(old.value::pg_catalog.text)
    )
  then
    raise exception using errcode = 'PT429', detail = 'settings',
      message = 'An account may keep 1048576 bytes of settings.';
  end if;
  return null;
end
$$;
create or replace trigger count_settings after insert or update on public.settings
  for each row execute function private.count_settings();

-- Rights --------------------------------------------------------------------------------------------

select private.close('public.instance');
select private.close('public.quotas');
select private.close('public.usage');
select private.close('public.settings');
grant select, update on public.instance to authenticated;
grant select, insert, update, delete on public.quotas to authenticated;
grant select on public.usage to authenticated;
grant select, insert, delete on public.settings to authenticated;
grant update (value) on public.settings to authenticated;

revoke all on all functions in schema private from public, anon, authenticated;
grant execute on function private.app_role(), private.may_write(), private.is_admin()
  to authenticated;

-- Records ------------------------------------------------------------------------------------------

-- The analyses: one row each, as service/records/store.py describes a record.
--
-- A result arrives in one UPDATE, so that there is all of it or nothing. The document is text, not
-- jsonb: it comes back byte for byte (reports are sealed over it), and holds what jsonb refuses, such
-- as a NUL in a camera's metadata. The place of the recording lies beside it, so that what strangers
-- are shown can't contain it.

-- Bytes of a list of texts. What `array_to_string` gives depends on no setting for text.
create or replace function private.text_bytes(texts text[]) returns bigint
language sql immutable set search_path = pg_catalog, pg_temp as
$$ select coalesce(sum(octet_length(t)), 0)::bigint from unnest(texts) as t $$;
revoke all on function private.text_bytes(text[]) from public, anon;
grant execute on function private.text_bytes(text[]) to authenticated;

create or replace function private.longest(texts text[]) returns integer
language sql immutable set search_path = pg_catalog, pg_temp as
$$ select coalesce(max(char_length(t)), 0) from unnest(texts) as t $$;
revoke all on function private.longest(text[]) from public, anon;
grant execute on function private.longest(text[]) to authenticated;

-- Whether a JSON value is nothing, or a number within bounds.
create or replace function private.is_within(value jsonb, low numeric, high numeric)
returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case coalesce(jsonb_typeof(value), 'null')
    when 'null' then true when 'number' then value::numeric between low and high else false
  end
$$;
revoke all on function private.is_within(jsonb, numeric, numeric) from public, anon;
grant execute on function private.is_within(jsonb, numeric, numeric) to authenticated;

-- Whether a text is a WebP in base64, by its first bytes; whoever shows it decodes it.
create or replace function private.is_webp(encoded text) returns boolean
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select case
    when encoded ~ '^[A-Za-z0-9+/]+={0,2}$' and char_length(encoded) % 4 = 0
      then substr(decode(encoded, 'base64'), 1, 4) = '\x52494646'
        and substr(decode(encoded, 'base64'), 9, 4) = '\x57454250'
    else false
  end
$$;
revoke all on function private.is_webp(text) from public, anon;
grant execute on function private.is_webp(text) to authenticated;

create table if not exists public.records (
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
  headline text generated always as (  -- detector.schema.codes.headline_label
    case when result ->> 'proof' is null then result ->> 'verdict' else 'FAKE' end
  ) stored,
  probability double precision
    generated always as ((result ->> 'probability')::double precision) stored,
  models text[] not null default '{}' check (cardinality(models) <= 200),
  last_cache_hit timestamptz,
  note text not null default '' check (char_length(note) <= 4000),
  tags text[] not null default '{}' check (cardinality(tags) <= 20),
  confirmed text not null default '' check (confirmed in ('', 'fake', 'real')),
  -- What a search looks through, folded by the dashboard.
  search_text text not null default '' check (octet_length(search_text) <= 65536),
  document text check (octet_length(document) <= 67108864),
  place text check (octet_length(place) <= 65536),
  -- A WebP of 10 kB at most, in base64.
  thumbnail text check (octet_length(thumbnail) <= 16384 and private.is_webp(thumbnail)),
  -- Where its media lies in the bucket, if it was kept.
  media text check (media like owner::text || '/' || id || '/%'),
  -- What it takes up here, in bytes.
  stored bigint generated always as (
    coalesce(octet_length(document), 0) + coalesce(octet_length(place), 0)
    + coalesce(octet_length(thumbnail), 0) + coalesce(octet_length(media), 0)
    + coalesce(octet_length(result::text), 0) + coalesce(octet_length(fault::text), 0)
    + octet_length(settings::text) + octet_length(name) + octet_length(note) + octet_length(search_text)
    + octet_length(run) + octet_length(cache_key)
    + private.text_bytes(tags) + private.text_bytes(models)
  ) stored,
  -- For others to refer to a record together with whose it is.
  unique (id, owner),
  check ((state = 'done') = (result is not null)),
  check ((result is null) = (document is null)),
  constraint records_bounds check (
    private.longest(tags) <= 40 and private.longest(models) <= 200
    and octet_length(coalesce(media, '')) <= 1024
  ),
  constraint records_media check (
    media is null or (
      cardinality(string_to_array(media, '/')) = 3
      and split_part(media, '/', 3) not in ('', '.', '..')
      and media !~ '[\\[:cntrl:]]'
    )
  ),
  -- detector.schema.codes.Label, and numbers that a page can show.
  constraint records_result check (
    result is null or (
      coalesce(result ->> 'verdict', '') in (
        'FAKE', 'PROBABLY_FAKE', 'INCONCLUSIVE', 'PROBABLY_REAL', 'REAL', 'NOT_APPLICABLE'
      )
      and private.is_within(result -> 'probability', 0, 1)
      and private.is_within(result -> 'subject_count', 0, 1000000)
      and private.is_within(result -> 'duration', 0, 1000000000)
      and octet_length(coalesce(result ->> 'proof', '')) <= 2000
    )
  ),
  -- Whoever writes: what no calendar of ours can read is never there.
  constraint records_times check (
    isfinite(created) and isfinite(touched)
    and (last_cache_hit is null or isfinite(last_cache_hit))
    and (analyzed is null or isfinite(analyzed))
  )
);
create index if not exists records_of_owner on public.records (owner, touched desc, id);
create index if not exists records_by_key on public.records (owner, cache_key, analyzed desc)
  where cache_key <> '';
create index if not exists records_by_age on public.records (touched);

-- Quotas --------------------------------------------------------------------------------------------

-- After, not before: by then the policy has refused whoever writes in another's name, so nobody can
-- learn from an error how full another's account is. The lock lets one of two at once through.
create or replace function private.count_record() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  most record;
  had record;
  this_hour integer;
begin
  perform pg_advisory_xact_lock(hashtextextended('records:' || new.owner, 0));
  select * into most from private.limits(new.owner);
  select count(*) as records, coalesce(sum(a.stored), 0) as bytes into had
    from public.records a where a.owner = new.owner;
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
create or replace trigger count_record after insert on public.records
  for each row execute function private.count_record();
create or replace trigger count_growth after update on public.records
  for each row when (new.stored > old.stored) execute function private.count_record();

-- Times ---------------------------------------------------------------------------------------------

-- A time that an account writes, as the server takes it: of this century, and no later than now.
create or replace function private.within_our_time(moment timestamptz) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp as
$$ select least(greatest(moment, timestamptz '2000-01-01 00:00:00+00'), now()) $$;
revoke all on function private.within_our_time(timestamptz) from public, anon;
grant execute on function private.within_our_time(timestamptz) to authenticated;

create or replace function private.take_times() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.created := private.within_our_time(coalesce(new.created, now()));
  new.touched := private.within_our_time(coalesce(new.touched, now()));
  if new.last_cache_hit is not null then
    new.last_cache_hit := private.within_our_time(new.last_cache_hit);
  end if;
  if new.analyzed is not null then
    new.analyzed := private.within_our_time(new.analyzed);
  end if;
  return new;
end
$$;
revoke all on function private.take_times() from public, anon, authenticated;
create or replace trigger take_times before insert or update on public.records
  for each row when (current_user = 'authenticated') execute function private.take_times();

-- Rights --------------------------------------------------------------------------------------------

select private.close('public.records');
grant select, insert, delete on public.records to authenticated;
-- Whose it is, what file it is of and when it came can't be changed by anybody.
grant update (touched, settings, state, run, cache_key, fault, result, analyzed, models,
              last_cache_hit, note, tags, confirmed, search_text, document, place, thumbnail, media)
  on public.records to authenticated;

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
language sql stable security invoker set search_path = pg_catalog, pg_temp as $$
  with found as materialized (
    select a.id, a.touched, a.name, a.probability, a.headline
    from public.records a
    where a.owner = p_owner
      and not exists (
        select from unnest(p_parts) as part where position(part in a.search_text) = 0
      )
      and (cardinality(p_models) = 0 or a.models && p_models)
      and (cardinality(p_tags) = 0 or a.tags && p_tags)
      and (cardinality(p_confirmed) = 0 or a.confirmed = any (p_confirmed))
      and (p_since is null or a.touched >= p_since)
      and (p_until is null or a.touched < p_until)
  ),
  counted as (
    select coalesce(jsonb_object_agg(coalesce(headline, ''), number), '{}') as counts
    from (select headline, count(*) as number from found group by headline) as by_headline
  ),
  chosen as (
    select *, row_number() over (order by
      case when p_order = 'newest' then touched end desc,
      case when p_order = 'oldest' then touched end,
      case when p_order = 'name' then lower(name) end,
      -- detector.schema.codes.Label.suspicion
      case when p_order = 'likelihood' then array_position(
        array['NOT_APPLICABLE', 'REAL', 'PROBABLY_REAL', 'INCONCLUSIVE', 'PROBABLY_FAKE', 'FAKE'],
        headline
      ) end desc nulls last,
      case when p_order = 'likelihood' then probability end desc nulls last,
      id
    ) as place
    from found
    where cardinality(p_verdicts) = 0 or coalesce(headline, '') = any (p_verdicts)
  ),
  page as (
    select c.place, to_jsonb(a) - array['document', 'place', 'thumbnail', 'search_text', 'media'] as row
    from (select * from chosen order by place offset p_offset limit least(p_limit, 500)) as c
    join public.records a on a.id = c.id
  )
  select (select count(*) from chosen), counted.counts,
         coalesce((select jsonb_agg(page.row order by page.place) from page), '[]')
  from counted
$$;

-- How many records have each tag and each model.
create or replace function public.facets(p_owner uuid)
returns table (kind text, name text, number bigint)
language sql stable security invoker set search_path = pg_catalog, pg_temp as $$
  select 'tag', tag, count(*) from public.records a, unnest(a.tags) as tag
    where a.owner = p_owner group by tag
  union all
  select 'model', model, count(*) from public.records a, unnest(a.models) as model
    where a.owner = p_owner group by model
$$;

-- What an account's records and media take up.
create or replace function public.usage_of(p_owner uuid)
returns table (records bigint, bytes bigint)
language sql stable security invoker set search_path = pg_catalog, pg_temp as $$
  select count(*), coalesce(sum(a.stored), 0)::bigint from public.records a
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

-- Links --------------------------------------------------------------------------------------------

-- Read-only links. The token is 128 random bits that only the link holds: here lies its SHA-256.

create table if not exists public.shares (
  id text primary key check (id ~ '^[A-Za-z0-9_-]{22}$'),
  record text not null,
  owner uuid not null default auth.uid(),
  created timestamptz not null default now(),
  expires timestamptz not null,
  token_hash text not null check (token_hash ~ '^[0-9a-f]{64}$'),
  -- A link can only be to a record of one's own, and goes with it.
  foreign key (record, owner) references public.records (id, owner) on delete cascade,
  check (expires > created and expires <= created + interval '90 days 1 minute')
);
create index if not exists shares_of_owner on public.shares (owner, created desc);
create index if not exists shares_of_record on public.shares (record, owner);
create index if not exists shares_by_hash on public.shares (left(token_hash, 8));

select private.close('public.shares');
-- Not even the owner reads the hash.
grant select (id, record, owner, created, expires) on public.shares to authenticated;
grant insert (id, record, owner, created, expires, token_hash) on public.shares to authenticated;
grant delete on public.shares to authenticated;

create or replace function private.take_link_times() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.created := private.within_our_time(coalesce(new.created, now()));
  return new;
end
$$;
revoke all on function private.take_link_times() from public, anon, authenticated;
create or replace trigger take_link_times before insert on public.shares
  for each row when (current_user = 'authenticated') execute function private.take_link_times();

-- 100 of a record, and 3,000 of an account, ended ones of the last days with them: about 1 MB. After,
-- and once a statement: a hundred thousand links in one are refused as one. The lock lets one of two
-- at once through.
create or replace function private.count_links() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  someone pg_catalog.uuid;
begin
  for someone in select distinct n.owner from new n order by n.owner loop
    perform pg_advisory_xact_lock(hashtextextended('links:' || someone, 0));
  end loop;
  if exists (
    select from public.shares s where (s.record, s.owner) in (select n.record, n.owner from new n)
    group by s.record, s.owner having count(*) > 100
  ) then
    raise exception using errcode = 'PT429', detail = 'links',
      message = 'A file can have 100 links. Links that ended are forgotten after 7 days.';
  end if;
  if exists (
    select from public.shares s where s.owner in (select n.owner from new n)
    group by s.owner having count(*) > 3000
  ) then
    raise exception using errcode = 'PT429', detail = 'all_links',
      message = 'An account can have 3000 links. Links that ended are forgotten after 7 days.';
  end if;
  return null;
end
$$;
revoke all on function private.count_links() from public, anon, authenticated;
create or replace trigger count_links after insert on public.shares
  referencing new table as new for each statement execute function private.count_links();

-- Whether two byte strings are the same. Looks at all of them, wherever they differ, so that the time
-- it takes says nothing about how much of a guess was right.
create or replace function private.same(a bytea, b bytea) returns boolean
language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
declare
  different integer := octet_length(a) # octet_length(b);
begin
  for i in 0 .. least(octet_length(a), octet_length(b)) - 1 loop
    different := different | (get_byte(a, i) # get_byte(b, i));
  end loop;
  return different = 0;
end
$$;
revoke all on function private.same(bytea, bytea) from public, anon, authenticated;

-- Whether an account may keep links: not once it is a viewer, banned or deleted. By its row, not by a
-- token: who follows a link has none. Not every version of the service has all these columns.
create or replace function private.may_share(account uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from auth.users u, to_jsonb(u) as about
    where u.id = account
      and private.role_of(u.raw_app_meta_data, about ->> 'is_anonymous') <> 'viewer'
      and coalesce((about ->> 'banned_until')::pg_catalog.timestamptz <= now(), true)
      and about ->> 'deleted_at' is null
  )
$$;
revoke all on function private.may_share(uuid) from public, anon, authenticated;

-- What a link leads to: one row, or none, whether it is unknown, expired, deleted, its record is gone
-- or its account may share no more. The record is named by a hash alone, the one in the result's seal
-- (detector.seals.record_hash): its id is an address that gives more than reading. The one thing here
-- that a request without an account may call. The index finds candidates by the beginning of the
-- hash, which nobody who lacks the token can steer; what decides is the comparison of all of it. The
-- clock is the server's.
create or replace function public.shared_analysis(token text)
returns table (
  share text, record text, name text, source text, document text, thumbnail text,
  expires timestamptz
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.id,
         encode(sha256(convert_to('unmask record', 'UTF8') || '\x00' || convert_to(a.id, 'UTF8')),
                'hex'),
         a.name, a.source, a.document, a.thumbnail, s.expires
  from public.shares s
  join public.records a on a.id = s.record and a.owner = s.owner
  where left(s.token_hash, 8) = left(encode(sha256(convert_to(token, 'UTF8')), 'hex'), 8)
    and private.same(decode(s.token_hash, 'hex'), sha256(convert_to(token, 'UTF8')))
    and s.expires > now()
    and a.document is not null
    and private.may_share(s.owner)
$$;
revoke all on function public.shared_analysis(text) from public, anon, authenticated;
grant execute on function public.shared_analysis(text) to anon, authenticated;

-- Cases --------------------------------------------------------------------------------------------

-- Analyses, links and notes that belong together. `log` has an entry a line, each with the hash of the
-- one before (service/records/cases.py): a case is what its log says, and a log only grows.
create table if not exists public.cases (
  id text primary key check (id ~ '^[A-Za-z0-9_-]{22}$'),
  owner uuid not null default auth.uid() references auth.users (id) on delete cascade,
  created timestamptz not null default now() check (isfinite(created)),
  touched timestamptz not null default now() check (isfinite(touched)),
  entries integer not null check (entries > 0),
  closed boolean not null,
  analyses text[] not null check (cardinality(analyses) <= 5000 and private.longest(analyses) <= 22),
  log text not null check (octet_length(log) <= 2000000)
);
create index if not exists cases_of_owner on public.cases (owner, touched desc);

select private.close('public.cases');
grant select, insert, delete on public.cases to authenticated;
grant update (touched, entries, closed, analyses, log) on public.cases to authenticated;

-- What was written into a log stays there.
create or replace function private.only_append() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.entries <= old.entries or not starts_with(new.log, old.log) then
    raise exception using errcode = '42501', message = 'The log of a case can only be appended to.';
  end if;
  return new;
end
$$;
revoke all on function private.only_append() from public, anon, authenticated;
create or replace trigger only_append before update on public.cases
  for each row execute function private.only_append();

create or replace function private.count_cases() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('cases:' || new.owner, 0));
  if (select count(*) from public.cases c where c.owner = new.owner) > 500 then
    raise exception using errcode = 'PT429', detail = 'cases', message = 'There can be 500 cases.';
  end if;
  return null;
end
$$;
revoke all on function private.count_cases() from public, anon, authenticated;
create or replace trigger count_cases after insert on public.cases
  for each row execute function private.count_cases();

-- Media --------------------------------------------------------------------------------------------

-- The bucket of media: private, a folder an account, a folder a record in it.
--
--     media/<owner>/<record>/<file name>
--
-- Policies alone: `storage.objects` belongs to the service, which has row-level security on already.
-- A file is deleted through its API, never by SQL, which would leave it lying there unnamed.

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values (
  'media', 'media', false, 524288000,
  -- By name, so that nothing a browser would run (HTML, SVG) is ever served.
  array[
    'video/mp4', 'video/quicktime', 'video/webm', 'video/x-matroska', 'video/x-msvideo',
    'video/mpeg', 'video/3gpp', 'video/x-m4v', 'video/mp2t',
    'image/jpeg', 'image/png', 'image/webp', 'image/heic', 'image/heif', 'image/avif', 'image/gif',
    'image/bmp', 'image/tiff', 'application/octet-stream'
  ]
)
on conflict (id) do update set
  public = false, allowed_mime_types = excluded.allowed_mime_types;

-- What the storage service writes with the asker's rights (1.74 and before) is a trial of these
-- policies in a transaction that it rolls back: a new `version`, and of the file no `size` but, in
-- later versions, the length of the request (`contentLength`). The real row, with `size`, it writes
-- when it has all of the file, as a role that no policy holds. So a `size` that comes in an account's
-- own name, and an UPDATE of that name that stays, is none of the service's.

-- Bytes of a file by what is said of it: of no number that is one, more than there is room for; where
-- nothing is said of a size, nothing.
create or replace function private.media_size(about jsonb) returns numeric
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when about is null or jsonb_typeof(about) = 'null' then 0
    when jsonb_typeof(about) = 'object' and not about ?| array['size', 'contentLength'] then 0
    when said ~ '^[0-9]{1,18}$' then said::numeric
    else 'infinity'::numeric
  end
  from (
    select case when about ? 'size' then about ->> 'size' else about ->> 'contentLength' end
  ) as found (said)
$$;
revoke all on function private.media_size(jsonb) from public, anon, authenticated;

-- What a file took up before its owner wrote over its row: it counts on, whatever stands there now,
-- until the file is gone.
create table if not exists private.media_kept (
  file uuid primary key,
  owner uuid not null,
  size numeric not null
);
create index if not exists media_kept_of_owner on private.media_kept (owner);
select private.close('private.media_kept');

create or replace function private.media_of(account uuid)
returns table (file uuid, path text, size numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select o.id, o.name, greatest(private.media_size(o.metadata), k.size)
  from storage.objects o left join private.media_kept k on k.file = o.id
  where o.bucket_id = 'media' and starts_with(o.name, account::pg_catalog.text || '/')
$$;
revoke all on function private.media_of(uuid) from public, anon, authenticated;

-- Whether the asker has room for a file of this size beside their others; without a size, for any.
-- Volatile, unlike what policies call else: behind the lock it sees what another transaction, or an
-- earlier row of the same statement, has written since. The row it is asked of is not yet written.
create or replace function private.takes_media(file uuid, path text, about jsonb, replaces boolean)
returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  account pg_catalog.uuid := auth.uid();
  asked numeric := private.media_size(about);
  most bigint;
  had numeric;
begin
  if account is null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('media:' || account, 0));
  if replaces then
    select m.size into had from private.media_of(account) m where m.file = takes_media.file;
    if not found then
      return false;  -- by another id, or from another's folder
    end if;
    delete from private.media_kept k
      where k.owner = account
        and not exists (select from private.media_of(account) m where m.file = k.file);
    if had > 0 then
      insert into private.media_kept as k (file, owner, size)
        values (takes_media.file, account, had)
        on conflict on constraint media_kept_pkey do update set size = greatest(k.size, had);
    end if;
  end if;
  select l.max_media_bytes into most from private.limits(account) l;
  select coalesce(sum(m.size), 0) into had from private.media_of(account) m
    where m.file <> takes_media.file and m.path <> takes_media.path;
  return case when asked > 0 then had + asked <= most else had < most end;
end
$$;
revoke all on function private.takes_media(uuid, text, jsonb, boolean)
  from public, anon, authenticated;
grant execute on function private.takes_media(uuid, text, jsonb, boolean) to authenticated;

-- Whether a path is that of a file of one of the asker's records, exactly three parts deep.
create or replace function private.is_own_media(path text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select cardinality(string_to_array(path, '/')) = 3
    and split_part(path, '/', 1) = auth.uid()::pg_catalog.text
    and split_part(path, '/', 3) not in ('', '.', '..')
    and exists (
      select from public.records a
      where a.id = split_part(path, '/', 2) and a.owner = auth.uid()
    )
$$;
revoke all on function private.is_own_media(text) from public, anon, authenticated;
grant execute on function private.is_own_media(text) to authenticated;

drop policy if exists "unmask: media of one's own, and admins all" on storage.objects;
create policy "unmask: media of one's own, and admins all" on storage.objects
  for select to authenticated
  using (
    bucket_id = 'media'
    and ((storage.foldername(name))[1] = (select auth.uid())::text or (select private.is_admin()))
  );
drop policy if exists "unmask: media of one's own records" on storage.objects;
create policy "unmask: media of one's own records" on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'media'
    and (select private.may_write())
    and private.is_own_media(name)
    and private.takes_media(id, name, metadata, false)
  );
drop policy if exists "unmask: media of one's own, to put it again" on storage.objects;
create policy "unmask: media of one's own, to put it again" on storage.objects
  for update to authenticated
  using (
    bucket_id = 'media'
    and (storage.foldername(name))[1] = (select auth.uid())::text
    and (select private.may_write())
  )
  with check (
    bucket_id = 'media'
    and (select private.may_write())
    and private.is_own_media(name)
    and private.takes_media(id, name, metadata, true)
  );
drop policy if exists "unmask: media of one's own, and admins any to delete" on storage.objects;
create policy "unmask: media of one's own, and admins any to delete" on storage.objects
  for delete to authenticated
  using (
    bucket_id = 'media'
    and ((storage.foldername(name))[1] = (select auth.uid())::text or (select private.is_admin()))
  );

-- Files whose record is gone, until the dashboard has deleted them through the storage API: whoever
-- dies in between leaves a row here, not a file that nobody knows of.
create table if not exists public.removals (
  path text primary key,
  owner uuid not null,
  asked timestamptz not null default now()
);
create index if not exists removals_of_owner on public.removals (owner);
select private.close('public.removals');
grant select, delete on public.removals to authenticated;

-- Done only when the file is gone: a row that is taken away too early would lose it.
create or replace function private.is_stored(path text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select exists (select from storage.objects o where o.bucket_id = 'media' and o.name = path) $$;
revoke all on function private.is_stored(text) from public, anon, authenticated;
grant execute on function private.is_stored(text) to authenticated;
-- With a record all files in its folder are asked to be removed, named by it or not.
create or replace function private.ask_removal() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.removals (path, owner)
    select o.name, old.owner from storage.objects o
    where o.bucket_id = 'media'
      and starts_with(o.name, old.owner::pg_catalog.text || '/' || old.id || '/')
    union
    select old.media, old.owner where old.media is not null
    on conflict do nothing;
  return null;
end
$$;
revoke all on function private.ask_removal() from public, anon, authenticated;
create or replace trigger ask_removal after delete on public.records
  for each row execute function private.ask_removal();

-- Policies -----------------------------------------------------------------------------------------

-- Who may do what with a row of ours: the policy holds for the rows that are there and for what they
-- become. `(select …)` is evaluated once a statement, not once a row.
do $$
declare
  own constant text := 'owner = (select auth.uid())';
  admin constant text := '(select private.is_admin())';
  own_or_admin constant text := format('(%s or %s)', own, admin);
  own_to_write constant text := own || ' and (select private.may_write())';
  policy record;
begin
  for policy in
    select * from (values
      ('instance', 'everybody with an account reads it', 'select', 'true'),
      ('instance', 'admins change it', 'update', admin),
      ('quotas', 'one''s own, and admins all', 'select', own_or_admin),
      ('quotas', 'admins make them', 'insert', admin),
      ('quotas', 'admins change them', 'update', admin),
      ('quotas', 'admins remove them', 'delete', admin),
      ('usage', 'one''s own, and admins all', 'select', own_or_admin),
      -- Anybody's own preferences are theirs, a viewer's too.
      ('settings', 'one''s own', 'all', own),
      ('records', 'one''s own, and admins all', 'select', own_or_admin),
      ('records', 'in one''s own name', 'insert', own_to_write),
      ('records', 'one''s own, not an admin''s to change', 'update', own_to_write),
      -- What is theirs a viewer may delete as well.
      ('records', 'one''s own, and admins any', 'delete', own_or_admin),
      ('shares', 'one''s own, and admins all', 'select', own_or_admin),
      ('shares', 'of one''s own records', 'insert', own_to_write),
      ('shares', 'one''s own, and admins any', 'delete', own_or_admin),
      -- Notes of a case are nobody else's, not an administrator's either.
      ('cases', 'one''s own', 'select', own),
      ('cases', 'in one''s own name', 'insert', own_to_write),
      ('cases', 'one''s own, to go on with', 'update', own_to_write),
      ('cases', 'one''s own, to delete', 'delete', own),
      ('removals', 'one''s own, and admins all', 'select', own_or_admin),
      -- A row that is taken away too early would lose its file.
      ('removals', 'one''s own, and admins any, once the file is gone', 'delete',
       own_or_admin || ' and not private.is_stored(path)')
    ) as ours (made, name, command, rule)
  loop
    execute format('drop policy if exists %I on public.%I', policy.name, policy.made);
    execute format(
      'create policy %I on public.%I for %s to authenticated %s%s',
      policy.name, policy.made, policy.command,
      case when policy.command <> 'insert' then format('using (%s) ', policy.rule) end,
      case when policy.command in ('insert', 'update', 'all')
        then format('with check (%s)', policy.rule) end
    );
  end loop;
end
$$;

-- Retention ----------------------------------------------------------------------------------------

-- What is over is deleted: every hour by pg_cron where the server has it, by the dashboard when an
-- account comes by (`purge`, its own), and by an operator's timer (`purge_all`).

-- Days that a person may choose: a minute to a century, as a number that is one. What is written
-- already and is none (1e400) reads as nothing chosen.
create or replace function private.chosen_days(value jsonb) returns double precision
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when jsonb_typeof(value -> 'keep_days') = 'number'
      and (value ->> 'keep_days')::numeric between 0.0006 and 36500
    then (value ->> 'keep_days')::double precision
  end
$$;
revoke all on function private.chosen_days(jsonb) from public, anon, authenticated;

-- Days that an account's records are kept: what the person chose, the instance's at most.
create or replace function private.keep_days(account uuid) returns double precision
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select least(
    i.keep_days,
    (
      select private.chosen_days(s.value) from public.settings s
      where s.owner = account and s.kind = 'preferences'
    )
  )
  from public.instance i
$$;
revoke all on function private.keep_days(uuid) from public, anon, authenticated;

-- Deletes records that are over, of one account or of all, and what was kept of links and counts
-- beyond use. How many records. Their media is asked to be removed by the trigger on them.
create or replace function private.purge(account uuid default null) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  someone pg_catalog.uuid;
  these integer;
  deleted integer := 0;
begin
  for someone in
    select distinct a.owner from public.records a where account is null or a.owner = account
  loop
    begin
      delete from public.records a
        where a.owner = someone
          -- A century at most: an interval has its limits.
          and a.touched < now()
            - make_interval(secs => least(private.keep_days(someone), 36500) * 86400)
          and not exists (
            select from public.cases c
            where c.owner = someone and not c.closed and a.id = any (c.analyses)
          );
      get diagnostics these = row_count;
      deleted := deleted + these;
    exception when others then
      raise warning 'The records of % were not looked through: %', someone, sqlerrm;
    end;
  end loop;
  delete from public.shares s
    where (account is null or s.owner = account)
      and s.expires < now() - interval '7 days';
  delete from public.usage u
    where (account is null or u.owner = account) and u.hour < now() - interval '60 days';
  return deleted;
end
$$;
revoke all on function private.purge(uuid) from public, anon, authenticated;

-- What the dashboard calls for whoever is signed in.
create or replace function public.purge() returns table (deleted integer)
language sql volatile security definer set search_path = pg_catalog, pg_temp as
$$ select private.purge(auth.uid()) where auth.uid() is not null $$;
revoke all on function public.purge() from public, anon, authenticated;
grant execute on function public.purge() to authenticated;

-- What an operator's own timer calls with the project's secret key (python -m service.records.supabase.purge).
create or replace function public.purge_all() returns table (deleted integer)
language sql volatile security definer set search_path = pg_catalog, pg_temp as
$$ select private.purge() $$;
revoke all on function public.purge_all() from public, anon, authenticated;
grant execute on function public.purge_all() to service_role;

do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_cron') then
    create extension if not exists pg_cron;
    perform cron.schedule('unmask-retention', '17 * * * *', 'select private.purge()');
  end if;
exception when others then
  -- Present, and not ours to use: the dashboard's own calls remain.
  raise notice 'Retention is not scheduled here: %', sqlerrm;
end
$$;

drop function private.close(regclass);
