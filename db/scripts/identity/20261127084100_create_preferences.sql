-- How a person wants to be shown things. One document: programs read it whole, and what is in it is checked before it is kept.
create table preferences (
    user_id uuid primary key default app_user_id() references accounts on delete cascade,
    settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
    changed_at timestamptz not null default now()
);
call own_rows('preferences');
