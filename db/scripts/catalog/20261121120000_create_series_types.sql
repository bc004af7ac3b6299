-- Series types are the same for everybody: all may read them, and the application's role may write none directly. The
-- program carries the list; it defines it here at every start, through the one function below.
create table series_types (
    code text primary key check (code ~ '^[a-z][a-z0-9_]{0,63}$'),
    number integer not null unique,
    category text not null,
    name text not null,
    unit text not null,                                   -- UCUM
    loinc text,
    aggregation text not null check (aggregation in ('sum', 'average', 'max', 'last')),
    minimum double precision,
    maximum double precision,
    panel text,                                           -- measured together: blood_pressure
    substance text,                                       -- what leads from mmol to mg: glucose
    version integer not null default 1,                   -- grows with every change of this type; events carry it
    revision integer not null                             -- which list said so: an older program must not undo a newer one
);
alter table series_types enable row level security, force row level security;
create policy everybody_reads on series_types for select using (true);

-- Defines what the list says differently, and returns that. Replicas that start together take turns: the second finds
-- nothing to do. A type that a newer list has changed is left as it is.
create function define_series_types(list jsonb, list_revision integer) returns setof series_types
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('catalog.series_types', 0));
    return query
    insert into series_types as known
        (code, number, category, name, unit, loinc, aggregation, minimum, maximum, panel, substance, revision)
    select code, number, category, name, unit, loinc, aggregation, minimum, maximum, panel, substance, list_revision
    from jsonb_to_recordset(list) as defined
        (code text, number integer, category text, name text, unit text, loinc text, aggregation text,
         minimum double precision, maximum double precision, panel text, substance text)
    on conflict (code) do update
    set number = excluded.number, category = excluded.category, name = excluded.name, unit = excluded.unit,
        loinc = excluded.loinc, aggregation = excluded.aggregation, minimum = excluded.minimum,
        maximum = excluded.maximum,
        panel = excluded.panel, substance = excluded.substance, version = known.version + 1,
        revision = excluded.revision
    where known.revision <= excluded.revision
      and (known.number, known.category, known.name, known.unit, known.loinc, known.aggregation, known.minimum,
           known.maximum, known.panel, known.substance)
          is distinct from
          (excluded.number, excluded.category, excluded.name, excluded.unit, excluded.loinc, excluded.aggregation,
           excluded.minimum, excluded.maximum, excluded.panel, excluded.substance)
    returning known.*;
end
$$;
revoke execute on function define_series_types from public;

do $$
begin
    execute format('grant select on series_types to %I, %I, %I',
        service_role('app'), service_role('backup'), service_role('readonly'));
    execute format('grant execute on function define_series_types to %I', service_role('app'));
end
$$;
