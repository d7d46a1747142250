-- Read-only links. The token is 128 random bits that only the link holds: here lies its SHA-256.

create table if not exists public.shares (
  id text primary key check (id ~ '^[A-Za-z0-9_-]{22}$'),
  analysis text not null,
  owner uuid not null default auth.uid(),
  created timestamptz not null default now(),
  expires timestamptz not null,
  revoked timestamptz,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  -- A link can only be to a record of one's own, and goes with it.
  foreign key (analysis, owner) references public.analyses (id, owner) on delete cascade,
  check (expires > created and expires <= created + interval '90 days 1 minute')
);
create index if not exists shares_of_owner on public.shares (owner, created desc);
create index if not exists shares_of_analysis on public.shares (analysis, owner);
create index if not exists shares_by_hash on public.shares (left(hash, 8));

alter table public.shares enable row level security;
alter table public.shares force row level security;
revoke all on public.shares from public, anon, authenticated;
-- Not even the owner reads the hash.
grant select (id, analysis, owner, created, expires, revoked) on public.shares to authenticated;
grant insert (id, analysis, owner, created, expires, hash) on public.shares to authenticated;
grant update (revoked) on public.shares to authenticated;
grant delete on public.shares to authenticated;

drop policy if exists "one's own, and admins all" on public.shares;
create policy "one's own, and admins all" on public.shares
  for select to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));
drop policy if exists "of one's own records" on public.shares;
create policy "of one's own records" on public.shares
  for insert to authenticated
  with check (owner = (select auth.uid()) and (select private.may_write()));
drop policy if exists "one's own" on public.shares;
create policy "one's own" on public.shares
  for update to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()))
  with check (owner = (select auth.uid()) or (select private.is_admin()));
drop policy if exists "one's own, and admins any" on public.shares;
create policy "one's own, and admins any" on public.shares
  for delete to authenticated
  using (owner = (select auth.uid()) or (select private.is_admin()));

-- A link that was revoked stays revoked.
create or replace function private.keep_revoked() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.revoked := coalesce(old.revoked, now());
  return new;
end
$$;
revoke all on function private.keep_revoked() from public, anon, authenticated;
create or replace trigger keep_revoked before update on public.shares
  for each row execute function private.keep_revoked();

-- Whether two byte strings are the same. Looks at all of them, wherever they differ, so that the time
-- it takes says nothing about how much of a guess was right.
create or replace function private.same(a bytea, b bytea) returns boolean
language plpgsql immutable strict set search_path = '' as $$
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

-- What a link leads to: one row, or none, whether it is unknown, expired, revoked, or its record is
-- gone. The one thing here that a request without an account may call. The index finds candidates by
-- the beginning of the hash, which nobody who lacks the token can steer; what decides is the
-- comparison of all of it. The clock is the server's.
create or replace function public.shared_analysis(token text)
returns table (
  share text, record text, name text, source text, document text, thumbnail text,
  expires timestamptz
)
language sql stable security definer set search_path = '' as $$
  select s.id, a.id, a.name, a.source, a.document, a.thumbnail, s.expires
  from public.shares s
  join public.analyses a on a.id = s.analysis and a.owner = s.owner
  where left(s.hash, 8) = left(encode(sha256(convert_to(token, 'UTF8')), 'hex'), 8)
    and private.same(decode(s.hash, 'hex'), sha256(convert_to(token, 'UTF8')))
    and s.revoked is null
    and s.expires > now()
    and a.document is not null
$$;
revoke all on function public.shared_analysis(text) from public, anon, authenticated;
grant execute on function public.shared_analysis(text) to anon, authenticated;
