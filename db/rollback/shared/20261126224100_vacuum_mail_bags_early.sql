-- Nothing is lost: autovacuum comes as early as for any other table.
alter table outbox reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
alter table inbox reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
