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

-- Whether an account has room for more. The service writes a file's size when it has all of it, so
-- the last file may end above the limit; none is taken after it.
create or replace function private.has_media_room(account uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(sum((o.metadata ->> 'size')::bigint), 0) < (private.limits(account)).max_media_bytes
  from storage.objects o
  where o.bucket_id = 'media' and o.name like account::text || '/%'
$$;
revoke all on function private.has_media_room(uuid) from public, anon, authenticated;
grant execute on function private.has_media_room(uuid) to authenticated;

-- Whether a path is that of a file of one of the asker's records, exactly three parts deep.
create or replace function private.is_own_media(path text) returns boolean
language sql stable security definer set search_path = '' as $$
  select cardinality(string_to_array(path, '/')) = 3
    and split_part(path, '/', 1) = auth.uid()::text
    and split_part(path, '/', 3) not in ('', '.', '..')
    and exists (
      select from public.analyses a
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
    and (select private.has_media_room((select auth.uid())))
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
    bucket_id = 'media' and (select private.may_write()) and private.is_own_media(name)
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
alter table public.removals enable row level security;
alter table public.removals force row level security;
revoke all on public.removals from public, anon, authenticated;
grant select, delete on public.removals to authenticated;

drop policy if exists "one's own, and admins all" on public.removals;
create policy "one's own, and admins all" on public.removals
  for select to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));
-- Done only when the file is gone: a row that is taken away too early would lose it.
create or replace function private.is_stored(path text) returns boolean
language sql stable security definer set search_path = '' as
$$ select exists (select from storage.objects o where o.bucket_id = 'media' and o.name = path) $$;
revoke all on function private.is_stored(text) from public, anon, authenticated;
grant execute on function private.is_stored(text) to authenticated;
drop policy if exists "one's own, and admins any, once the file is gone" on public.removals;
create policy "one's own, and admins any, once the file is gone" on public.removals
  for delete to authenticated
  using (
    (owner = (select auth.uid()) or (select private.is_admin())) and not private.is_stored(path)
  );

create or replace function private.ask_removal() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.removals (path, owner) values (old.media, old.owner) on conflict do nothing;
  return null;
end
$$;
revoke all on function private.ask_removal() from public, anon, authenticated;
create or replace trigger ask_removal after delete on public.analyses
  for each row when (old.media is not null) execute function private.ask_removal();
