-- What has a beginning and an end: a workout, a night's sleep. Which one it is, is told by what it says of itself (source,
-- kind, type, times): a file imported again brings the same events, whatever ids it gives them.
create table events (
    user_id uuid not null default app_user_id(),
    event_id uuid not null,
    source_id uuid not null,
    kind text not null check (char_length(kind) between 1 and 60),        -- workout, sleep
    type text not null check (char_length(type) between 1 and 100),       -- running, deep
    started_at timestamptz not null,
    ended_at timestamptz not null,
    start_offset int2 not null,                           -- minutes east of UTC, as given: the runner's clock
    end_offset int2 not null,
    measured jsonb not null default '{}',                 -- {"energy": {"value": 320, "unit": "kcal"}}
    details jsonb not null default '{}',                  -- whatever else the source said
    primary key (user_id, event_id),
    constraint events_identity unique (user_id, source_id, kind, started_at, ended_at, type),
    constraint events_end_after_beginning check (ended_at >= started_at),
    foreign key (user_id, source_id) references sources on delete cascade
);
call own_rows('events');
create index events_by_time on events (user_id, started_at, event_id);
