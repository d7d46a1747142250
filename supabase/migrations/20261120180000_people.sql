-- Who may do what, and how much: roles, the settings of this instance, quotas and what was used.
--
-- Every table of `public` is closed first (a Supabase project opens new ones to the API by default),
-- has row-level security forced on its owner too, and is then opened by grant and policy for exactly
-- what the dashboard does. `anon`, the role of a request without an account, gets one function of all
-- this: the one behind a share link.
--
-- May be applied twice. Runs as `postgres`, who bypasses row-level security and is no superuser.

create schema if not exists private;
-- Not served by the API. `authenticated` may call what policies call, and nothing else in here.
revoke all on schema private from public, anon, authenticated;
grant usage on schema private to authenticated;

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
  check (kind <> 'preferences' or name = '')
);

-- Roles ---------------------------------------------------------------------------------------------

-- viewer, analyst or admin, by the token's app_metadata, which only the server can set: a person may
-- write anything into their user_metadata. Whatever is not understood is a viewer.
create or replace function private.app_role() returns text
language sql stable security definer set search_path = '' as $$
  select case
    when auth.uid() is null then 'nobody'
    -- Of Supabase's anonymous sign-in: an account that anybody can have any number of.
    when auth.jwt() ->> 'is_anonymous' = 'true' then 'viewer'
    when auth.jwt() -> 'app_metadata' ->> 'role' is null
      then (select default_role from public.instance)
    when auth.jwt() -> 'app_metadata' ->> 'role' in ('analyst', 'admin')
      then auth.jwt() -> 'app_metadata' ->> 'role'
    else 'viewer'
  end
$$;

create or replace function private.may_write() returns boolean
language sql stable security definer set search_path = '' as
$$ select private.app_role() in ('analyst', 'admin') $$;

create or replace function private.is_admin() returns boolean
language sql stable security definer set search_path = '' as
$$ select private.app_role() = 'admin' $$;

-- For the operator, in the SQL editor: select private.set_role('ada@example.org', 'admin');
-- It holds from that account's next token on, an hour at most. Null takes the role away.
create or replace function private.set_role(account text, role text) returns void
language plpgsql set search_path = '' as $$
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
) language sql stable security definer set search_path = '' as $$
  select coalesce(q.max_records, i.max_records), coalesce(q.max_bytes, i.max_bytes),
         coalesce(q.max_media_bytes, i.max_media_bytes), coalesce(q.max_per_hour, i.max_per_hour)
  from public.instance i left join public.quotas q on q.owner = account
$$;

-- Presets are few; this keeps a script from making them many.
create or replace function private.count_settings() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('settings:' || new.owner, 0));
  if (select count(*) from public.settings s where s.owner = new.owner) > 41 then
    raise exception using errcode = 'PT429', message = 'Too many presets.', detail = 'presets';
  end if;
  return null;
end
$$;
create or replace trigger count_settings after insert on public.settings
  for each row execute function private.count_settings();

-- Rights --------------------------------------------------------------------------------------------

alter table public.instance enable row level security;
alter table public.instance force row level security;
alter table public.quotas enable row level security;
alter table public.quotas force row level security;
alter table public.usage enable row level security;
alter table public.usage force row level security;
alter table public.settings enable row level security;
alter table public.settings force row level security;

revoke all on public.instance, public.quotas, public.usage, public.settings
  from public, anon, authenticated;
grant select, update on public.instance to authenticated;
grant select, insert, update, delete on public.quotas to authenticated;
grant select on public.usage to authenticated;
grant select, insert, delete on public.settings to authenticated;
grant update (value) on public.settings to authenticated;

revoke all on all functions in schema private from public, anon, authenticated;
grant execute on function private.app_role(), private.may_write(), private.is_admin()
  to authenticated;

-- `(select …)` is evaluated once a statement, not once a row.
drop policy if exists "everybody with an account reads it" on public.instance;
create policy "everybody with an account reads it" on public.instance
  for select to authenticated using (true);
drop policy if exists "admins change it" on public.instance;
create policy "admins change it" on public.instance
  for update to authenticated
  using ((select private.is_admin())) with check ((select private.is_admin()));

drop policy if exists "one's own, and admins all" on public.quotas;
create policy "one's own, and admins all" on public.quotas
  for select to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));
drop policy if exists "admins make them" on public.quotas;
create policy "admins make them" on public.quotas
  for insert to authenticated with check ((select private.is_admin()));
drop policy if exists "admins change them" on public.quotas;
create policy "admins change them" on public.quotas
  for update to authenticated
  using ((select private.is_admin())) with check ((select private.is_admin()));
drop policy if exists "admins remove them" on public.quotas;
create policy "admins remove them" on public.quotas
  for delete to authenticated using ((select private.is_admin()));

drop policy if exists "one's own, and admins all" on public.usage;
create policy "one's own, and admins all" on public.usage
  for select to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));

-- Anybody's own preferences are theirs, a viewer's too.
drop policy if exists "one's own" on public.settings;
create policy "one's own" on public.settings
  for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
