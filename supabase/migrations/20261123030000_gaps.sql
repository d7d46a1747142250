-- What the bounds before this left open: sizes that are no numbers, times before there was anything,
-- and what settings and links take up.

-- Times ---------------------------------------------------------------------------------------------

-- A time that an account writes, as the server takes it: of this century, and no later than now.
create or replace function private.within_our_time(moment timestamptz) returns timestamptz
language sql stable set search_path = '' as
$$ select least(greatest(moment, timestamptz '2000-01-01 00:00:00+00'), now()) $$;
revoke all on function private.within_our_time(timestamptz) from public, anon;
grant execute on function private.within_our_time(timestamptz) to authenticated;

create or replace function private.take_times() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.created := private.within_our_time(coalesce(new.created, now()));
  new.touched := private.within_our_time(coalesce(new.touched, now()));
  if new.again is not null then
    new.again := private.within_our_time(new.again);
  end if;
  if new.analyzed is not null then
    new.analyzed := private.within_our_time(new.analyzed);
  end if;
  return new;
end
$$;
revoke all on function private.take_times() from public, anon, authenticated;
create or replace trigger take_times before insert or update on public.analyses
  for each row when (current_user = 'authenticated') execute function private.take_times();
drop trigger if exists not_in_the_future on public.analyses;
drop function if exists private.not_in_the_future();

create or replace function private.take_link_times() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.created := private.within_our_time(coalesce(new.created, now()));
  return new;
end
$$;
revoke all on function private.take_link_times() from public, anon, authenticated;
create or replace trigger take_link_times before insert on public.shares
  for each row when (current_user = 'authenticated') execute function private.take_link_times();
drop trigger if exists link_not_in_the_future on public.shares;
drop function if exists private.link_not_in_the_future();

-- What was written before this.
update public.analyses set
  created = private.within_our_time(created),
  touched = private.within_our_time(touched),
  again = case when again is not null then private.within_our_time(again) end,
  analyzed = case when analyzed is not null then private.within_our_time(analyzed) end
  where created is distinct from private.within_our_time(created)
    or touched is distinct from private.within_our_time(touched)
    or (again is not null and again <> private.within_our_time(again))
    or (analyzed is not null and analyzed <> private.within_our_time(analyzed));

-- Whoever writes: what no calendar of ours can read is never there.
alter table public.analyses drop constraint if exists analyses_times;
alter table public.analyses add constraint analyses_times check (
  isfinite(created) and isfinite(touched)
  and (again is null or isfinite(again)) and (analyzed is null or isfinite(analyzed))
) not valid;

-- Settings and links --------------------------------------------------------------------------------

-- 1 MB in all: 41 settings of 64 KB each would be 2.7. What only gets smaller always goes.
create or replace function private.count_settings() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  had record;
begin
  perform pg_advisory_xact_lock(hashtextextended('settings:' || new.owner, 0));
  select count(*) as number,
         coalesce(sum(octet_length(s.value::text) + octet_length(s.name)), 0) as bytes into had
    from public.settings s where s.owner = new.owner;
  if had.number > 41 then
    raise exception using errcode = 'PT429', message = 'Too many presets.', detail = 'presets';
  end if;
  if had.bytes > 1048576
    and (tg_op = 'INSERT' or octet_length(new.value::text) > octet_length(old.value::text))
  then
    raise exception using errcode = 'PT429', detail = 'settings',
      message = 'An account may keep 1048576 bytes of settings.';
  end if;
  return null;
end
$$;
revoke all on function private.count_settings() from public, anon, authenticated;
create or replace trigger count_settings after insert or update on public.settings
  for each row execute function private.count_settings();

-- 100 of a record, and 3,000 of an account, ended ones of the last days with them: about 1 MB. After,
-- and once a statement: a hundred thousand links in one are refused as one. The lock lets one of two
-- at once through.
create or replace function private.count_links() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  someone uuid;
begin
  for someone in select distinct n.owner from new n order by n.owner loop
    perform pg_advisory_xact_lock(hashtextextended('links:' || someone, 0));
  end loop;
  if exists (
    select from public.shares s where (s.analysis, s.owner) in (select n.analysis, n.owner from new n)
    group by s.analysis, s.owner having count(*) > 100
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

-- Media ---------------------------------------------------------------------------------------------
-- What the storage service writes with the asker's rights (1.74 and before) is a trial of these
-- policies in a transaction that it rolls back: a new `version`, and of the file no `size` but, in
-- later versions, the length of the request (`contentLength`). The real row, with `size`, it writes
-- when it has all of the file, as a role that no policy holds. So a `size` that comes in an account's
-- own name, and an UPDATE of that name that stays, is none of the service's.

-- Bytes of a file by what is said of it: of no number that is one, more than there is room for; where
-- nothing is said of a size, nothing.
create or replace function private.media_size(about jsonb) returns numeric
language sql immutable set search_path = '' as $$
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
alter table private.media_kept enable row level security;
alter table private.media_kept force row level security;
revoke all on private.media_kept from public, anon, authenticated;

create or replace function private.media_of(account uuid)
returns table (file uuid, path text, size numeric)
language sql stable security definer set search_path = '' as $$
  select o.id, o.name, greatest(private.media_size(o.metadata), k.size)
  from storage.objects o left join private.media_kept k on k.file = o.id
  where o.bucket_id = 'media' and starts_with(o.name, account::text || '/')
$$;
revoke all on function private.media_of(uuid) from public, anon, authenticated;

-- Whether the asker has room for a file of this size beside their others; without a size, for any.
-- Volatile, unlike what policies call else: behind the lock it sees what another transaction, or an
-- earlier row of the same statement, has written since. The row it is asked of is not yet written.
create or replace function private.takes_media(file uuid, path text, about jsonb, replaces boolean)
returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  account uuid := auth.uid();
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
drop function if exists private.has_media_room(uuid, text, jsonb);
