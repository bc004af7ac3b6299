-- Row-level security for every table with a person's rows, said once: who the user is, and how a table is protected.

-- The roles of a service share its name: <service>_migrator runs these scripts, the others are granted to by name.
create function service_role(kind text) returns name language sql stable as $$
    select regexp_replace(current_user, '_migrator$', '_' || kind)::name
$$;

-- After a transaction the setting is '' and not null, and a bare cast of '' would fail on the pooled connection's next use.
create function app_user_id() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.user_id', true), '')::uuid;

-- A table is protected in one line: call own_rows('workouts'). FORCE makes the policy hold for the owner as well; the
-- sub-select makes it run once per statement and not once per row.
create procedure own_rows(t regclass) language plpgsql as $$
begin
    execute format('alter table %s enable row level security, force row level security', t);
    execute format('create policy own_rows on %s using (user_id = (select app_user_id())) '
                || 'with check (user_id = (select app_user_id()))', t);
    execute format('grant select, insert, update, delete on %s to %I', t, service_role('app'));
    execute format('grant select on %s to %I, %I', t, service_role('backup'), service_role('readonly'));
end
$$;
