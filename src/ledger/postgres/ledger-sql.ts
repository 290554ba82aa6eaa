import { createHash } from 'node:crypto'
import { greatest } from '../refusal.ts'
import { retention } from '../retention.ts'

const tables = `
create table if not exists counters (
  key text collate "C" primary key,
  kind text not null,
  committed bigint not null default 0,
  held bigint not null default 0,
  ends_at_ms bigint not null
);
create table if not exists holds (
  id text collate "C" primary key,
  state text not null,
  expires_at_ms bigint not null,
  forget_at_ms bigint not null default 0,
  keys text[] not null,
  kinds text[] not null,
  amounts bigint[] not null,
  noted bigint[] not null,
  note text not null
);
create index if not exists live_holds on holds (expires_at_ms) where state = 'Live';
create index if not exists counters_by_end on counters (ends_at_ms);
create index if not exists ended_holds on holds (forget_at_ms) where state <> 'Live';
create index if not exists lapsed_holds on holds (expires_at_ms, id) where state = 'Lapsed';
`

/**
 * Order of locks, so that no two calls wait for each other: the call's own hold; then holds that fell due, without waiting;
 * then new counters; then all counters by key. Who waits for a hold holds nothing that others wait for.
 */
const functions = `
create function clock_VERSION(told_ms bigint) returns bigint language sql volatile as $$
  select coalesce(told_ms, (extract(epoch from clock_timestamp()) * 1000)::bigint)
$$;

create function is_over_VERSION(kind text, ends_at_ms bigint, now_ms bigint) returns boolean language sql immutable as $$
  select kind = 'Flow' and ends_at_ms + ${retention.counterMs} <= now_ms
$$;

create function lock_counters_VERSION(wanted text[]) returns void language plpgsql as $$
begin
  perform from counters where key = any(wanted) order by key for update;
end $$;

-- Books holds that are locked already, as are their counters, at what was noted of them.
create function lapse_VERSION(ids text[]) returns void language plpgsql as $$
begin
  update counters as c set held = c.held - l.held, committed = c.committed + l.used
  from (
    select key, sum(greatest(amount, used))::bigint as held, sum(case kind when 'Flow' then used else 0 end)::bigint as used
    from holds, unnest(keys, kinds, amounts, noted) as line (key, kind, amount, used)
    where id = any(ids) group by key
  ) as l where c.key = l.key;
  update holds set state = 'Lapsed', amounts = noted, forget_at_ms = expires_at_ms + ${retention.lapsedMs}
  where id = any(ids);
end $$;

-- Ids of holds that fell due, locked; those that another call works on are left to it.
create function due_holds_VERSION(now_ms bigint) returns text[] language plpgsql as $$
begin
  return (select coalesce(array_agg(id), '{}') from (
    select id from holds where state = 'Live' and expires_at_ms <= now_ms
    order by expires_at_ms limit 64 for update skip locked
  ) as due);
end $$;

create function book_due_VERSION(now_ms bigint) returns void language plpgsql as $$
declare
  due text[] := due_holds_VERSION(now_ms);
begin
  if cardinality(due) > 0 then
    perform lock_counters_VERSION(array(select unnest(h.keys) from holds as h where h.id = any(due)));
    perform lapse_VERSION(due);
  end if;
end $$;

create function own_hold_VERSION(own_id text, now_ms bigint) returns holds language plpgsql as $$
declare
  own holds;
begin
  select * into own from holds where id = own_id for update;
  if own.state = 'Live' and own.expires_at_ms <= now_ms then
    perform lock_counters_VERSION(own.keys);
    perform lapse_VERSION(array[own_id]);
    select * into own from holds where id = own_id;
  end if;
  if own.state <> 'Live' and own.forget_at_ms <= now_ms then
    return null;
  end if;
  return own;
end $$;

create function try_VERSION(
  told_ms bigint, own_id text, expires_in_ms bigint, note text,
  keys text[], kinds text[], amounts bigint[], caps bigint[], ends bigint[],
  out outcome text, out committed bigint[], out held bigint[]
) language plpgsql as $$
#variable_conflict use_variable
declare
  now_ms bigint := clock_VERSION(told_ms);
  own holds;
  due text[];
begin
  own := own_hold_VERSION(own_id, now_ms);
  if own.state <> 'Live' then
    outcome := 'Used';
    return;
  end if;
  if exists (select from unnest(kinds, ends) as line (kind, ends) where is_over_VERSION(line.kind, line.ends, now_ms)) then
    outcome := 'Skew';
    return;
  end if;
  due := due_holds_VERSION(now_ms);
  insert into counters (key, kind, ends_at_ms)
    select line.key, line.kind, case line.kind when 'Flow' then line.ends else now_ms end
    from unnest(keys, kinds, ends) as line (key, kind, ends)
    where not exists (select from counters as c where c.key = line.key)
    order by line.key collate "C"
    on conflict do nothing;
  perform lock_counters_VERSION(keys || array(select unnest(h.keys) from holds as h where h.id = any(due)));
  if cardinality(due) > 0 then
    perform lapse_VERSION(due);
  end if;
  outcome := 'Granted';
  if own.id is null then
    if not (select coalesce(bool_and(c.committed + c.held + line.amount <= coalesce(line.cap, ${greatest})), true)
      from unnest(keys, amounts, caps) as line (key, amount, cap) join counters as c on c.key = line.key)
    then
      outcome := 'Refused';
    else
      update counters as c
        set held = c.held + line.amount,
          -- A lease's is only for tidying: moved seldom, so that updates stay cheap.
          ends_at_ms = case
            when line.kind = 'Flow' then greatest(c.ends_at_ms, line.ends)
            when c.ends_at_ms < now_ms + expires_in_ms then now_ms + expires_in_ms + 600000
            else c.ends_at_ms
          end
        from unnest(keys, kinds, amounts, ends) as line (key, kind, amount, ends) where c.key = line.key;
      insert into holds (id, state, expires_at_ms, keys, kinds, amounts, noted, note)
        values (own_id, 'Live', now_ms + expires_in_ms, keys, kinds, amounts, array_fill(0, array[cardinality(keys)]), note)
        on conflict (id) do update set state = 'Live', expires_at_ms = excluded.expires_at_ms, forget_at_ms = 0,
          keys = excluded.keys, kinds = excluded.kinds, amounts = excluded.amounts, noted = excluded.noted, note = excluded.note;
    end if;
  end if;
  select array_agg(c.committed order by line.at), array_agg(c.held order by line.at) into committed, held
    from unnest(keys) with ordinality as line (key, at) join counters as c on c.key = line.key;
end $$;

create function renew_VERSION(told_ms bigint, own_id text, expires_in_ms bigint, used bigint[], told_note text) returns text language plpgsql as $$
declare
  now_ms bigint := clock_VERSION(told_ms);
  own holds := own_hold_VERSION(own_id, now_ms);
  known bigint[];
begin
  if own.id is null then
    return 'Forgotten';
  elsif own.state <> 'Live' then
    return own.state;
  end if;
  known := array(
    select case line.kind when 'Flow' then greatest(line.noted, coalesce(told.used, 0)) else 0 end
    from unnest(own.kinds, own.noted) with ordinality as line (kind, noted, at)
      left join unnest(used) with ordinality as told (used, at) using (at) order by at);
  if exists (select from unnest(known, own.amounts) as line (known, amount) where line.known > line.amount) then
    perform lock_counters_VERSION(own.keys);
    update counters as c set held = c.held + greatest(line.amount, line.known) - greatest(line.amount, line.noted)
      from unnest(own.keys, own.amounts, own.noted, known) as line (key, amount, noted, known) where c.key = line.key;
  end if;
  update holds set noted = known, expires_at_ms = greatest(expires_at_ms, now_ms + expires_in_ms),
    note = coalesce(nullif(told_note, ''), note) where id = own_id;
  return 'Renewed';
end $$;

create function settle_VERSION(told_ms bigint, own_id text, exactness text, used bigint[]) returns text language plpgsql as $$
declare
  now_ms bigint := clock_VERSION(told_ms);
  own holds := own_hold_VERSION(own_id, now_ms);
begin
  if own.id is null then
    return 'Forgotten';
  elsif own.state = 'Ended' then
    return 'Ended';
  end if;
  perform lock_counters_VERSION(own.keys);
  update counters as c
    set committed = c.committed + case
        when line.kind = 'Lease' then 0
        when own.state = 'Lapsed' then greatest(0, line.use - line.noted)
        else line.use
      end,
      held = c.held - case own.state when 'Live' then greatest(line.amount, line.noted) else 0 end
    from (
      select key, kind, amount, noted, case exactness
        when 'Exact' then coalesce(told.used, 0)
        when 'LowerBound' then greatest(told.used, noted)
        else greatest(told.used, noted, amount)
      end as use
      from unnest(own.keys, own.kinds, own.amounts, own.noted) with ordinality as one (key, kind, amount, noted, at)
        left join unnest(used) with ordinality as told (used, at) using (at)
    ) as line where c.key = line.key;
  update holds set state = 'Ended', forget_at_ms = now_ms + ${retention.settledMs},
    keys = '{}', kinds = '{}', amounts = '{}', noted = '{}', note = '' where id = own_id;
  return case own.state when 'Lapsed' then 'Corrected' else 'Settled' end;
end $$;

create function lapsed_VERSION(told_ms bigint, age_ms bigint) returns setof holds language plpgsql as $$
declare
  now_ms bigint := clock_VERSION(told_ms);
begin
  perform book_due_VERSION(now_ms);
  return query select * from holds as h
    where h.state = 'Lapsed' and h.forget_at_ms > now_ms and h.expires_at_ms + age_ms <= now_ms
    order by h.expires_at_ms, h.id limit ${retention.lapsedTold};
end $$;

create function read_VERSION(told_ms bigint, keys text[], out committed bigint[], out held bigint[]) language plpgsql as $$
#variable_conflict use_variable
declare
  now_ms bigint := clock_VERSION(told_ms);
begin
  perform book_due_VERSION(now_ms);
  select array_agg(coalesce(c.committed, 0) order by line.at), array_agg(coalesce(c.held, 0) order by line.at) into committed, held
    from unnest(keys) with ordinality as line (key, at)
      left join counters as c on c.key = line.key and not is_over_VERSION(c.kind, c.ends_at_ms, now_ms);
end $$;

-- Away with what nobody asks for any more, some at a time; says how many went.
create function tidy_VERSION(told_ms bigint) returns bigint language plpgsql as $$
declare
  now_ms bigint := clock_VERSION(told_ms);
  holds_gone bigint;
  counters_gone bigint;
begin
  delete from holds where id = any(array(
    select id from holds where state <> 'Live' and forget_at_ms <= now_ms limit 5000 for update skip locked));
  get diagnostics holds_gone = row_count;
  delete from counters where key = any(array(
    select key from counters where ends_at_ms + ${retention.lapsedMs} <= now_ms
      and (kind = 'Flow' or held = 0) limit 5000 for update skip locked));
  get diagnostics counters_gone = row_count;
  return holds_gone + counters_gone;
end $$;
`

/** The ledger in tables and functions; a version of ours has functions of its own, named by the hash of their text. */
export const ledgerSql = ((): { readonly version: string; readonly text: string } => {
  const version = createHash('sha1')
    .update(tables + functions)
    .digest('hex')
    .slice(0, 12)
  return { version, text: tables + functions.replaceAll('VERSION', version) }
})()
