-- A row lives in the outbox for milliseconds. After an outage of the broker it holds many, and a fifth of many dead rows would
-- have to gather before autovacuum came: every look for the oldest event would walk over them. So it comes by count.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- The inbox is filled steadily and pruned by age: a little and often, instead of a fifth of it at once.
alter table inbox set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
