-- Events leave through the outbox, written in the user's transaction, and take effect once through the inbox.
create table outbox (
    id uuid primary key,                                  -- version 7: the order of sending, and the message id
    event_type text not null,
    subject text not null,
    data json not null,                                   -- json, not jsonb: what was written is what is sent
    traceparent text,
    occurred_at timestamptz not null default now(),
    failures smallint not null default 0                  -- how often this row, sent alone, was refused
);

-- A row that the broker refuses again and again waits here for an operator and holds nothing up.
create table outbox_parked (like outbox including all, parked_at timestamptz not null default now(), reason text not null);

create table inbox (
    message_id uuid not null,
    consumer text not null,
    received_at timestamptz not null default now(),
    primary key (consumer, message_id)
);
create index inbox_received_at on inbox (received_at);    -- pruned by age

do $$
begin
    execute format('grant insert on outbox to %I', service_role('app'));
    execute format('grant select, update, delete on outbox to %I', service_role('relay'));
    execute format('grant insert on outbox_parked to %I', service_role('relay'));
    execute format('grant select, insert, delete on inbox to %I', service_role('app'));
    execute format('grant select on outbox, outbox_parked, inbox to %I', service_role('backup'));
end
$$;
