-- A plan made anew for each execution looks at the bounds of forty partitions, about 100 µs: the whole price of a small
-- query. All statements here find the same index whatever the parameters are, and bound their times by parameters, so that
-- a plan made once leaves out the same partitions when it starts (docs/decisions/0004-partitions-few.md).
do $$
begin
    execute format('alter database %I set plan_cache_mode = force_generic_plan', current_database());
end
$$;
