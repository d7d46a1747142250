-- Bounds that hold whatever an account writes: times are the server's, all text counts, an UPDATE is
-- judged like an INSERT, and one account's bad row never stops what is done for the others.

-- Retention -----------------------------------------------------------------------------------------

-- Days that a person may choose: a minute to a century, as a number that is one. What is written
-- already and is none (1e400) reads as nothing chosen.
create or replace function private.chosen_days(value jsonb) returns double precision
language sql immutable set search_path = '' as $$
  select case
    when jsonb_typeof(value -> 'keep_days') = 'number'
      and (value ->> 'keep_days')::numeric between 0.0006 and 36500
    then (value ->> 'keep_days')::double precision
  end
$$;
revoke all on function private.chosen_days(jsonb) from public, anon, authenticated;

alter table public.settings drop constraint if exists settings_keep_days;
alter table public.settings add constraint settings_keep_days check (
  kind <> 'preferences'
  or coalesce(jsonb_typeof(value -> 'keep_days'), 'null') = 'null'
  or (
    jsonb_typeof(value -> 'keep_days') = 'number'
    and (value ->> 'keep_days')::numeric between 0.0006 and 36500
  )
) not valid;

create or replace function private.keep_days(account uuid) returns double precision
language sql stable security definer set search_path = '' as $$
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

create or replace function private.purge(account uuid default null) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  someone uuid;
  these integer;
  deleted integer := 0;
begin
  for someone in
    select distinct a.owner from public.analyses a where account is null or a.owner = account
  loop
    begin
      delete from public.analyses a
        where a.owner = someone
          -- A century at most: an interval has its limits.
          and a.touched < now()
            - make_interval(secs => least(private.keep_days(someone), 36500) * 86400);
      get diagnostics these = row_count;
      deleted := deleted + these;
    exception when others then
      raise warning 'The records of % were not looked through: %', someone, sqlerrm;
    end;
  end loop;
  delete from public.shares s
    where (account is null or s.owner = account)
      and least(s.expires, coalesce(s.revoked, s.expires)) < now() - interval '7 days';
  delete from public.usage u
    where (account is null or u.owner = account) and u.hour < now() - interval '60 days';
  return deleted;
end
$$;
revoke all on function private.purge(uuid) from public, anon, authenticated;

-- Times ---------------------------------------------------------------------------------------------

-- An account's clock may be late, never early: nothing of it lies in the future, where retention and
-- the life of a link would begin to count.
create or replace function private.not_in_the_future() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.created := least(new.created, now());
  new.touched := least(new.touched, now());
  if new.again > now() then
    new.again := now();
  end if;
  return new;
end
$$;
revoke all on function private.not_in_the_future() from public, anon, authenticated;
create or replace trigger not_in_the_future before insert or update on public.analyses
  for each row when (current_user = 'authenticated')
  execute function private.not_in_the_future();

create or replace function private.link_not_in_the_future() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.created := least(new.created, now());
  return new;
end
$$;
revoke all on function private.link_not_in_the_future() from public, anon, authenticated;
create or replace trigger link_not_in_the_future before insert on public.shares
  for each row when (current_user = 'authenticated')
  execute function private.link_not_in_the_future();

-- After, and once a statement: a hundred thousand links in one are refused as one.
create or replace function private.count_links() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (
    select from public.shares s where (s.analysis, s.owner) in (select n.analysis, n.owner from new n)
    group by s.analysis, s.owner having count(*) > 100
  ) then
    raise exception using errcode = 'PT429', detail = 'links',
      message = 'A file can have 100 links. Links that ended are forgotten after 7 days.';
  end if;
  return null;
end
$$;
revoke all on function private.count_links() from public, anon, authenticated;
create or replace trigger count_links after insert on public.shares
  referencing new table as new for each statement execute function private.count_links();

-- Quotas --------------------------------------------------------------------------------------------

-- Bytes of a list of texts. What `array_to_string` gives depends on no setting for text.
create or replace function private.text_bytes(texts text[]) returns bigint
language sql immutable set search_path = '' as
$$ select coalesce(sum(octet_length(t)), 0)::bigint from unnest(texts) as t $$;
revoke all on function private.text_bytes(text[]) from public, anon;
grant execute on function private.text_bytes(text[]) to authenticated;

create or replace function private.longest(texts text[]) returns integer
language sql immutable set search_path = '' as
$$ select coalesce(max(char_length(t)), 0) from unnest(texts) as t $$;
revoke all on function private.longest(text[]) from public, anon;
grant execute on function private.longest(text[]) to authenticated;

alter table public.analyses drop constraint if exists analyses_bounds;
alter table public.analyses add constraint analyses_bounds check (
  private.longest(tags) <= 40 and private.longest(models) <= 200
  and octet_length(coalesce(media, '')) <= 1024
) not valid;

drop trigger if exists count_growth on public.analyses;
alter table public.analyses drop column if exists stored;
alter table public.analyses add column stored bigint generated always as (
  coalesce(octet_length(document), 0) + coalesce(octet_length(place), 0)
  + coalesce(octet_length(thumbnail), 0) + coalesce(octet_length(media), 0)
  + coalesce(octet_length(result::text), 0) + coalesce(octet_length(fault::text), 0)
  + octet_length(settings::text) + octet_length(name) + octet_length(note) + octet_length(haystack)
  + octet_length(run) + octet_length(cache_key)
  + private.text_bytes(tags) + private.text_bytes(models)
) stored;
create trigger count_growth after update on public.analyses
  for each row when (new.stored > old.stored) execute function private.count_record();

-- Media ---------------------------------------------------------------------------------------------

create or replace function private.media_size(about jsonb) returns numeric
language sql immutable set search_path = '' as $$
  select case when about ->> 'size' ~ '^[0-9]{1,18}$' then (about ->> 'size')::numeric else 0 end
$$;

-- Whether an account has room for a file of this size beside its others; without a size, for any.
create or replace function private.has_media_room(account uuid, path text, about jsonb)
returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(sum(private.media_size(o.metadata)), 0) + private.media_size(about)
    < (private.limits(account)).max_media_bytes + (private.media_size(about) > 0)::integer
  from storage.objects o
  where o.bucket_id = 'media' and starts_with(o.name, account::text || '/') and o.name <> path
$$;
revoke all on function private.media_size(jsonb), private.has_media_room(uuid, text, jsonb)
  from public, anon, authenticated;
grant execute on function private.has_media_room(uuid, text, jsonb) to authenticated;

drop policy if exists "unmask: media of one's own records" on storage.objects;
create policy "unmask: media of one's own records" on storage.objects
  for insert to authenticated
  with check (
    bucket_id = 'media'
    and (select private.may_write())
    and private.is_own_media(name)
    and private.has_media_room((select auth.uid()), name, metadata)
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
    and private.has_media_room((select auth.uid()), name, metadata)
  );
drop function if exists private.has_media_room(uuid);

-- With a record all files in its folder are asked to be removed, named by it or not.
create or replace function private.ask_removal() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.removals (path, owner)
    select o.name, old.owner from storage.objects o
    where o.bucket_id = 'media' and starts_with(o.name, old.owner::text || '/' || old.id || '/')
    union
    select old.media, old.owner where old.media is not null
    on conflict do nothing;
  return null;
end
$$;
revoke all on function private.ask_removal() from public, anon, authenticated;
create or replace trigger ask_removal after delete on public.analyses
  for each row execute function private.ask_removal();
