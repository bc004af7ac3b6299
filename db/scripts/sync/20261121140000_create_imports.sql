-- An import is a file on its way into readings: what its owner said about it, how far it has come, and the receipt.
-- The file itself lies in a folder that all replicas of sync share; the row is what makes it an import.
create table imports (
    user_id uuid not null default app_user_id(),
    import_id uuid not null,
    format text not null check (format in ('apple-health', 'csv')),
    source_id uuid,
    source_name text,
    mapping text,                                  -- as it was given; parsed again by each worker that takes it up
    state text not null default 'queued' check (state in ('queued', 'running', 'completed', 'failed', 'cancelled')),
    total_bytes bigint not null,
    bytes bigint not null default 0,               -- of the file, as it lies on the disk
    records bigint not null default 0,
    records_per_second real not null default 0,
    receipt jsonb,                                 -- counts as of now
    checkpoint jsonb,                              -- where a later worker begins, and the counts up to there
    error jsonb,
    attempts smallint not null default 0,          -- pauses since the last checkpoint
    not_before timestamptz not null default now(),
    lease uuid,                                    -- the worker that has it; every write of a worker names its lease
    lease_until timestamptz,
    cancel_requested boolean not null default false,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    primary key (user_id, import_id)
) with (fillfactor = 70);                          -- progress is written once a second, into the same page
call own_rows('imports');
create trigger refuse_departed_user before insert on imports for each row execute function refuse_departed_user();
create index imports_by_age on imports (user_id, created_at desc, import_id);
create index imports_unfinished on imports (created_at) where state in ('queued', 'running');

-- What an import could not store, with the line in the file.
create table import_rejects (
    user_id uuid not null default app_user_id(),
    import_id uuid not null,
    number int not null,
    line bigint not null,
    record text,
    type text not null,
    detail text not null,
    primary key (user_id, import_id, number),
    foreign key (user_id, import_id) references imports on delete cascade
);
call own_rows('import_rejects');
