-- A deleted account's access token lives for minutes more. Nothing it writes may outlive the person's wish to be forgotten.
create table departed_users (
    user_id uuid primary key default app_user_id(),
    departed_at timestamptz not null default now()
);
call own_rows('departed_users');

-- For a trigger on each table in which a person's data begins.
create function refuse_departed_user() returns trigger language plpgsql as $$
begin
    if exists (select from departed_users where user_id = new.user_id) then
        raise exception 'This account was deleted.' using errcode = 'P0404', constraint = 'user_departed';
    end if;
    return new;
end
$$;
