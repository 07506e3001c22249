-- Three ledgers over the same errands (a rent's month to pay, a slot to visit), and who has the last word in each:
--
--   unguarded  the lock alone: whoever was inside and saw nothing paid writes
--   fenced     the fence alone: a smaller one than the lock's highest is refused; nothing is unique
--   guarded    the functions that Dousell ships: claim_payment and settle_payment, or book_visit; a row for each time
--              that one of them changed something
--
-- and `charged`, the payment service's own books. `enter` is what a body does first and `pay` what it does last; between
-- them it may be paused for as long as it likes. A fence of null is a lock that mints none: it is then neither noted nor
-- compared.

drop schema if exists chaos cascade;
create schema chaos;
truncate public.payments, public.payment_keys, public.visits restart identity;

create table chaos.marks (name text primary key, fence bigint not null default 0); -- the highest fence of each lock

create table chaos.rows (
  id bigint generated always as identity primary key,
  ledger text not null check (ledger in ('guarded', 'fenced', 'unguarded', 'charged')),
  name text not null,
  period integer not null,
  fence bigint not null,
  process integer not null,
  attempt integer not null
);
create index rows_errand on chaos.rows (name, period);

create table chaos.charges (reference text primary key); -- the payment service knows a reference for ever

create function chaos.id(name text) returns bigint language sql immutable return substring(name from '\d+$')::bigint + 1;
create function chaos.month(period integer) returns date language sql immutable
return (date '2000-01-01' + period * interval '1 month')::date;
create function chaos.slot(period integer) returns timestamptz language sql immutable
return timestamptz '2100-01-01 00:00+00' + period * interval '30 minutes';

-- Raises the lock's mark, claims a rent, and tells in which ledgers there is something left to pay: whether the claim was
-- had, whether the fence is stale, and what to charge under.
create function chaos.enter(
  p_name text, p_period integer, p_fence bigint, p_key text,
  out unpaid text[], out claimed boolean, out stale boolean, out reference text
) language plpgsql as $$
declare
  mark bigint;
  answer jsonb;
  free boolean := not exists (
    select from public.visits v
    where v.property_id = chaos.id(p_name) and v.starts_at = chaos.slot(p_period) and v.status <> 'cancelled'
  );
begin
  insert into chaos.marks as m (name, fence) values (p_name, coalesce(p_fence, 0))
  on conflict (name) do update set fence = greatest(m.fence, excluded.fence) returning m.fence into mark;
  stale := coalesce(p_fence < mark, false);
  unpaid := array(
    select l from unnest(array['fenced', 'unguarded']) l
    where not exists (select from chaos.rows r where r.ledger = l and r.name = p_name and r.period = p_period)
  );
  claimed := false;
  if p_name like 'payment:%' then
    answer := public.claim_payment(
      chaos.id(p_name), chaos.month(p_period), 100000, 'wave', p_key, coalesce(p_fence, 0)
    );
    claimed := answer ->> 'answer' in ('claimed', 'taken_over');
    stale := stale or answer ->> 'answer' = 'stale';
    reference := answer -> 'payment' ->> 'reference';
    free := claimed;
    if not claimed and answer ->> 'answer' not in ('stale', 'paid', 'already_paid') then
      raise exception 'the claim of % for % was answered with %', p_name, p_period, answer;
    end if;
  end if;
  if free then
    unpaid := array_append(unpaid, 'guarded');
  end if;
end $$;

-- Charges the tenant. As at PayDunya, a reference is charged once, whoever comes with it.
create function chaos.charge(p_reference text, p_name text, p_period integer, p_process integer, p_attempt integer)
returns boolean language plpgsql as $$
begin
  insert into chaos.charges (reference) values (p_reference) on conflict do nothing;
  if not found then
    return false;
  end if;
  insert into chaos.rows (ledger, name, period, fence, process, attempt)
  values ('charged', p_name, p_period, 0, p_process, p_attempt);
  return true;
end $$;

-- Whether one of the shipped functions changed something.
create function chaos.pay_guarded(p_name text, p_period integer, p_fence bigint, p_reference text, out answer text)
language plpgsql as $$
declare was text;
begin
  if p_name like 'visit:%' then
    answer := public.book_visit(
      chaos.id(p_name), gen_random_uuid(), 'a visitor', chaos.slot(p_period), chaos.slot(p_period + 1), p_fence
    ) ->> 'answer';
    return;
  end if;
  perform from public.leases l where l.id = chaos.id(p_name) for no key update; -- so that nothing changes meanwhile
  select p.status into was from public.payments p
  where p.lease_id = chaos.id(p_name) and p.period = chaos.month(p_period);
  answer := public.settle_payment(chaos.id(p_name), chaos.month(p_period), p_fence, 'paid', p_reference) ->> 'answer';
  if answer = 'settled' and was = 'pending' then
    answer := 'booked';
  end if;
end $$;

-- Writes into the ledgers that were seen unpaid; tells which took a row, and whether the fence was refused.
create function chaos.pay(
  p_unpaid text[], p_name text, p_period integer, p_fence bigint, p_reference text, p_process integer, p_attempt integer,
  out paid text[], out stale boolean
) language plpgsql as $$
declare
  answer text;
  ledger text;
begin
  select coalesce(p_fence < fence, false) into stale from chaos.marks where name = p_name for update;
  if p_fence is not null and not stale then -- a fence that `enter` never saw counts from here on
    update chaos.marks set fence = p_fence where name = p_name;
  end if;
  paid := array(select l from unnest(p_unpaid) l where l = 'unguarded' or l = 'fenced' and not stale);
  if 'guarded' = any (p_unpaid) then
    answer := chaos.pay_guarded(p_name, p_period, coalesce(p_fence, 0), p_reference);
    stale := stale or answer = 'stale';
    if answer = 'booked' then
      paid := array_append(paid, 'guarded');
    end if;
  end if;
  foreach ledger in array paid loop
    insert into chaos.rows (ledger, name, period, fence, process, attempt)
    values (ledger, p_name, p_period, coalesce(p_fence, 0), p_process, p_attempt);
  end loop;
end $$;
