-- A key that is rotated gets an earlier end. What takes its place a second time must not have that end, but the one that the key was made with.
alter table api_keys add column rotated_at timestamptz, add column made_until timestamptz;
