-- An access token is believed for its ten minutes without a question. What ends it earlier is announced here: every service asks
-- twice a second what is new. Not ids but their hashes, so that the list tells nobody anything; kept as long as a token may live.
create table revocations (
    -- Rows become visible in the order of their commits and not of their numbers: whoever asks for all from the oldest transaction that
    -- was under way at the last answer misses none.
    added_by xid8 not null default pg_current_xact_id(),
    mark bytea not null,                                  -- first 16 bytes of the SHA-256 of "login <id>" or "person <id>"
    issued_until timestamptz,                             -- tokens issued until then are refused; null: all
    added_at timestamptz not null default now()
);
create index revocations_by_transaction on revocations (added_by);

create function revocation_mark(kind text, id uuid) returns bytea language sql immutable
    return substring(sha256(convert_to(kind || ' ' || id::text, 'UTF8')) for 16);

create function revoke_login() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into public.revocations (mark) values (public.revocation_mark('login', new.login_id));
    return null;
end
$$;
create trigger revoke_login after update on logins for each row
    when (old.ended_at is null and new.ended_at is not null) execute function revoke_login();

-- Two seconds more than now, because the clocks of the replicas that issue tokens are not one.
create function revoke_person() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into public.revocations (mark, issued_until)
    values (public.revocation_mark('person', old.user_id), case when tg_op = 'UPDATE' then now() + interval '2 seconds' end);
    return null;
end
$$;
create trigger revoke_person_disabled after update on accounts for each row
    when (old.disabled_at is null and new.disabled_at is not null) execute function revoke_person();
create trigger revoke_person_deleted after delete on accounts for each row execute function revoke_person();

alter table logins drop constraint logins_ended_because_check, add constraint logins_ended_because_check
    check (ended_because in ('signed-out', 'token-reused', 'password-changed', 'disabled', 'application-removed', 'code-reused', 'revoked')) not valid;

-- Nobody's request asks for this, so it is nobody's transaction.
create procedure forget_old_revocations()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.revocations where added_at < now() - interval '1 hour';
$$;

do $$
begin
    execute format('grant select on revocations to %I, %I', service_role('app'), service_role('backup'));
    revoke execute on function revoke_login from public;
    revoke execute on function revoke_person from public;
    revoke execute on procedure forget_old_revocations from public;
    execute format('grant execute on procedure forget_old_revocations to %I', service_role('app'));
end
$$;
