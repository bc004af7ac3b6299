-- A picture of a person, as it was after everything but the picture was taken out of the file. Apart from accounts: nothing that reads an
-- account wants the bytes.
create table avatars (
    user_id uuid primary key default app_user_id() references accounts on delete cascade,
    media_type text not null check (media_type in ('image/png', 'image/jpeg', 'image/webp')),
    bytes bytea not null check (length(bytes) between 1 and 2097152),
    etag text not null,                                   -- of the bytes: who asks again gets them only when they are others
    changed_at timestamptz not null default now()
);
alter table avatars alter column bytes set storage external;  -- packed already: packing it again would only cost
call own_rows('avatars');
