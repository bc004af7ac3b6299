-- What happened to an account, for its person to read. Added to and never changed: not even the service may update or delete an
-- entry; they go with the account, and after two years.
create table audit (
    user_id uuid not null default app_user_id() references accounts on delete cascade,
    entry_id uuid not null,                               -- version 7: its order
    at timestamptz not null default now(),
    action text not null check (char_length(action) between 1 and 60),
    login_id uuid,                                        -- by which login; it may be forgotten before the entry is
    address cidr,                                         -- from where; of IPv6 the /64
    details jsonb not null default '{}',
    primary key (user_id, entry_id)
);
call own_rows('audit');
create index audit_old on audit using brin (at);

-- Nobody's request asks for this, so it is nobody's transaction.
create procedure forget_old_audit()
    language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
    delete from public.audit where at < now() - interval '2 years';
$$;

do $$
begin
    execute format('revoke update, delete on audit from %I', service_role('app'));
    execute format('revoke select on audit from %I', service_role('readonly'));
    revoke execute on procedure forget_old_audit from public;
    execute format('grant execute on procedure forget_old_audit to %I', service_role('app'));
end
$$;
