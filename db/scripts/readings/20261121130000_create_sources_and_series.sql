-- A source is what a person reads values from: a watch, a meter, a notebook. Its metrics are named and carry a unit.
--
-- Readings are keyed by one small number, series_id, in place of (person, source, metric): the key is in every row and in
-- every index entry, and its width decides what a reading costs (docs/decisions/0001-series-id-and-slots.md).
-- One series stores up to three metrics that are measured together (systolic, diastolic, pulse) as one row: its slots.
create table sources (
    user_id uuid not null default app_user_id(),
    source_id uuid not null,                              -- chosen by the client, so that a repeated request is the same source
    name text not null check (char_length(name) between 1 and 200),
    kind text not null check (char_length(kind) between 1 and 60),
    location text check (char_length(location) <= 200),
    time_zone text check (char_length(time_zone) <= 60),  -- IANA; days and weeks of this source begin at midnight there
    description text check (char_length(description) <= 2000),
    is_public boolean not null default false,
    -- The ETag, and how a writer learns that it knows an older list of metrics. It begins with the time, not with 1: a
    -- source deleted and made again under the same id must not look like the old one.
    version int not null default extract(epoch from now())::int,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (user_id, source_id)
);
call own_rows('sources');

create trigger refuse_departed_user before insert on sources for each row execute function refuse_departed_user();

-- Two requests of one moment: a source is being added while the account is being erased. Whoever adds holds this lock
-- shared, whoever erases holds it alone, so that the trigger above has always seen the truth.
create function lock_person(person uuid, alone boolean) returns void language plpgsql as $$
begin
    if alone then
        perform pg_advisory_xact_lock('sources'::regclass::oid::int, hashtext(person::text));
    else
        perform pg_advisory_xact_lock_shared('sources'::regclass::oid::int, hashtext(person::text));
    end if;
end
$$;

create function hold_person() returns trigger language plpgsql as $$
begin
    perform lock_person(new.user_id, alone => false);
    return new;
end
$$;
-- Triggers fire in the order of their names: the lock comes before the look.
create trigger a_hold_person before insert on sources for each row execute function hold_person();

create table series (
    series_id int4 generated always as identity primary key,
    user_id uuid not null default app_user_id(),
    source_id uuid not null,
    group_name text,                                      -- the metrics of one group share series; null for a metric of its own
    foreign key (user_id, source_id) references sources on delete cascade
);
create index series_by_source on series (user_id, source_id);

create table metrics (
    user_id uuid not null default app_user_id(),
    source_id uuid not null,
    metric text not null check (char_length(metric) between 1 and 64),
    series_id int4 not null references series on delete cascade,
    slot int2 not null check (slot between 1 and 3),      -- readings.value, value2 or value3
    unit text not null check (char_length(unit) between 1 and 60),   -- UCUM
    type_code text check (char_length(type_code) <= 100), -- the catalog's series type; null for a metric of the user's own
    position int2 not null,                               -- the order in which the user named them
    primary key (user_id, source_id, metric),
    unique (series_id, slot),
    foreign key (user_id, source_id) references sources on delete cascade
);
call own_rows('metrics');

-- Who may see which series. The policies of readings and its rollups ask this table once per statement, so it must be
-- small and direct: the owner's row, and one row per granted series. Only triggers write it: as the person, a grant could
-- not write the grantee's row, and a policy here that asked series would ask in a circle.
create table series_access (
    user_id uuid not null,
    series_id int4 not null references series on delete cascade,
    access smallint not null check (access between 1 and 3),          -- 1 read, 2 write, 3 admin; the owner has 3
    expires_at timestamptz not null default 'infinity',               -- asked by the policies: a late cleaning job opens nothing
    primary key (user_id, series_id)
);
create index series_access_by_series on series_access (series_id);    -- revoke, cascade
call own_rows('series_access');

create function give_owner_access() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into series_access (user_id, series_id, access) values (new.user_id, new.series_id, 3);
    return null;
end
$$;
revoke execute on function give_owner_access() from public;
create trigger give_owner_access after insert on series for each row execute function give_owner_access();

alter table series enable row level security, force row level security;
do $$
declare
    app constant name := service_role('app');
begin
    execute format('revoke insert, update, delete on series_access from %I', app);
    execute format('create policy series_select on series for select to %I, %I using (user_id = (select app_user_id()) '
                || 'or series_id = any (array(select a.series_id from series_access a '
                || 'where a.user_id = (select app_user_id()) and a.expires_at > now())))', app, service_role('readonly'));
    execute format('create policy series_insert on series for insert to %I with check (user_id = (select app_user_id()))', app);
    execute format('create policy series_delete on series for delete to %I using (user_id = (select app_user_id()))', app);
    execute format('grant select, insert, delete on series to %I', app);
    execute format('grant select on series to %I, %I', service_role('backup'), service_role('readonly'));
end
$$;
