-- What is over is deleted: every hour by pg_cron where the server has it, by the dashboard when an
-- account comes by (`purge`, its own), and by an operator's timer (`purge_all`).

-- Days that an account's records are kept: what the person chose, the instance's at most.
create or replace function private.keep_days(account uuid) returns double precision
language sql stable security definer set search_path = '' as $$
  select least(
    i.keep_days,
    (
      select (s.value ->> 'keep_days')::double precision from public.settings s
      where s.owner = account and s.kind = 'preferences'
        and jsonb_typeof(s.value -> 'keep_days') = 'number'
        and (s.value ->> 'keep_days')::double precision > 0
    )
  )
  from public.instance i
$$;
revoke all on function private.keep_days(uuid) from public, anon, authenticated;

-- Deletes records that are over, of one account or of all, and what was kept of links and counts
-- beyond use. How many records. Their media is asked to be removed by the trigger on them.
create or replace function private.purge(account uuid default null) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  deleted integer;
begin
  delete from public.analyses a
    using (
      select o.owner, private.keep_days(o.owner) as days
      from (select distinct x.owner from public.analyses x
            where account is null or x.owner = account) as o
    ) as kept
    where a.owner = kept.owner
      -- A century at most: an interval has its limits.
      and a.touched < now() - make_interval(secs => least(kept.days, 36500) * 86400);
  get diagnostics deleted = row_count;
  delete from public.shares s
    where (account is null or s.owner = account)
      and least(s.expires, coalesce(s.revoked, s.expires)) < now() - interval '7 days';
  delete from public.usage u
    where (account is null or u.owner = account) and u.hour < now() - interval '60 days';
  return deleted;
end
$$;
revoke all on function private.purge(uuid) from public, anon, authenticated;

-- What the dashboard calls for whoever is signed in.
create or replace function public.purge() returns table (deleted integer)
language sql volatile security definer set search_path = '' as
$$ select private.purge(auth.uid()) where auth.uid() is not null $$;
revoke all on function public.purge() from public, anon, authenticated;
grant execute on function public.purge() to authenticated;

-- What an operator's own timer calls with the project's secret key (service.records.supabase.purge).
create or replace function public.purge_all() returns table (deleted integer)
language sql volatile security definer set search_path = '' as
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
