-- What is lost: all grants, and with them what was shared with anybody; the log of who looked and who wrote.
-- migrate: allow adding-primary-key the way back holds the service anyway
drop trigger metrics_changed on metrics;
drop trigger source_added on sources;
drop trigger source_leaves on sources;
drop trigger keep_is_public on sources;
drop trigger category_changed on series_types;

delete from series_access a using series s where s.series_id = a.series_id and s.user_id <> a.user_id;
alter table series_access drop constraint series_access_pkey, add primary key (user_id, series_id);

do $$
declare
    app constant name := service_role('app');
    t text;
    policy name;
begin
    foreach t in array array['sources', 'metrics', 'series', 'events'] loop
        for policy in select p.polname from pg_policy p where p.polrelid = t::regclass loop
            execute format('drop policy %I on %I', policy, t);
        end loop;
        execute format('revoke select on %I from %I', t, service_role('guest'));
        if t <> 'series' then
            execute format('create policy own_rows on %I using (user_id = (select app_user_id())) '
                        || 'with check (user_id = (select app_user_id()))', t);
        end if;
    end loop;
    execute format('revoke select on readings, readings_hour, series_access from %I', service_role('guest'));
    execute format('create policy series_select on series for select to %I, %I using (user_id = (select app_user_id()) '
                || 'or series_id = any (array(select a.series_id from series_access a '
                || 'where a.user_id = (select app_user_id()) and a.expires_at > now())))', app, service_role('readonly'));
    execute format('create policy series_insert on series for insert to %I with check (user_id = (select app_user_id()))', app);
    execute format('create policy series_delete on series for delete to %I using (user_id = (select app_user_id()))', app);
end
$$;

alter table metrics alter column user_id set default app_user_id();
alter table series alter column user_id set default app_user_id();
alter table events alter column user_id set default app_user_id();

drop trigger made_private on sources;
drop policy readings_window on readings;
drop policy readings_hour_window on readings_hour;
drop table access_log, public_looks, series_windows, source_access, grants;
drop function made_private(), look_at_public(uuid, uuid), forget_grants(), note_access(uuid, uuid, uuid, text, int), end_grant(uuid, bytea), accept_grant(bytea, uuid), category_changed(),
    keep_is_public(), source_leaves(), source_added(), metrics_changed(), check_grant(), grants_changed(), refresh_access(uuid, uuid, uuid),
    lock_grants(uuid, boolean), row_owner(), app_owner_id();
