-- What a Supabase project has before its first migration, as far as ours lean on it: the roles of
-- the API, `auth`, `storage`, and the same generous default privileges. Written for the tests, after
-- the documented behaviour; run by the superuser of a fresh PostgreSQL, whose migrations then run as
-- `postgres`, which is no superuser there either and owns neither `auth` nor `storage`.

do $$
begin
  -- Roles belong to the server, not to the database: a second database finds them there.
  if not exists (select from pg_roles where rolname = 'authenticator') then
    create role anon nologin noinherit;
    create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit;
    grant anon, authenticated, service_role to authenticator;
    create role supabase_auth_admin nologin noinherit;
    create role supabase_storage_admin nologin noinherit;
    create role postgres login createdb createrole bypassrls;
    grant anon, authenticated, service_role to postgres;
    grant anon, authenticated, service_role to supabase_storage_admin;
  end if;
end
$$;

grant all on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
-- Every new table and function of `public` is open to the API unless a migration closes it.
alter default privileges for role postgres in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to anon, authenticated, service_role;

-- auth ----------------------------------------------------------------------------------------------
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role;

create table auth.users (
  id uuid primary key default gen_random_uuid(),
  email text unique,
  raw_app_meta_data jsonb default '{}',
  raw_user_meta_data jsonb default '{}',
  created_at timestamptz default now()
);
alter table auth.users owner to supabase_auth_admin;
grant all on auth.users to postgres, service_role;

create function auth.jwt() returns jsonb language sql stable as
$$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
create function auth.uid() returns uuid language sql stable as
$$ select (auth.jwt() ->> 'sub')::uuid $$;
create function auth.role() returns text language sql stable as
$$ select auth.jwt() ->> 'role' $$;

-- storage -------------------------------------------------------------------------------------------
create schema storage authorization supabase_storage_admin;
grant usage on schema storage to postgres, anon, authenticated, service_role;

create table storage.buckets (
  id text primary key,
  name text not null unique,
  public boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets (id),
  name text collate "C",
  owner_id text,
  metadata jsonb,
  user_metadata jsonb,
  version text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(),
  unique (bucket_id, name)
);
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to postgres, anon, authenticated, service_role;

create function storage.foldername(name text) returns text[] language sql immutable as
$$ select (string_to_array(name, '/'))[1 : cardinality(string_to_array(name, '/')) - 1] $$;
create function storage.filename(name text) returns text language sql immutable as
$$ select (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))] $$;

-- A row deleted here would orphan its file, so the service refuses unless it does it itself.
create function storage.protect_delete() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' then
    raise exception using errcode = '42501',
      message = 'Direct deletion from storage tables is not allowed. Use the Storage API instead.';
  end if;
  return null;
end
$$;
create trigger protect_delete before delete on storage.objects
  for each statement execute function storage.protect_delete();
create trigger protect_delete before delete on storage.buckets
  for each statement execute function storage.protect_delete();

-- The hosted service lets `postgres` make policies on tables it does not own, and nothing more of an
-- owner's rights. Plain PostgreSQL knows no such grant: the tests hand it the owner's role while the
-- migrations run, and a test of their text holds that they use it for policies alone.
