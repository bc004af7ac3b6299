-- A key can act as an id of its own in place of its person: it opens nothing but what the person shares with that id (one source, one metric,
-- read or write, for a time), by the policies that hold for everybody.
alter table api_keys add column own_id uuid;
