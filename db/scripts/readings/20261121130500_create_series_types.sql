-- What this service needs to know of the catalog's series types: a projection, fed by series-type.defined.v1.
-- The same for everybody, so everybody reads it; only a consumer, who acts for nobody, may write it.
create table series_types (
    code text primary key,
    category text not null,
    unit text not null,
    aggregation text not null,                            -- sum, average, max or last: how a day is made of its readings
    minimum float8,
    maximum float8,
    panel text,                                           -- the composite it is measured with, such as blood_pressure
    version int not null
);
alter table series_types enable row level security, force row level security;
create policy series_types_select on series_types for select using (true);
create policy series_types_insert on series_types for insert with check ((select app_user_id()) is null);
create policy series_types_update on series_types for update using ((select app_user_id()) is null);
do $$
begin
    execute format('grant select, insert, update on series_types to %I', service_role('app'));
    execute format('grant select on series_types to %I, %I', service_role('backup'), service_role('readonly'));
end
$$;
