-- What is lost: of looks of one person through several applications in one hour, all but the newest.
-- migrate: allow require-concurrent-index-creation the way back holds the service anyway
delete from access_log a using access_log b
where a.verb = 'read' and b.verb = 'read' and b.user_id = a.user_id and b.actor_id = a.actor_id and b.hour = a.hour
    and b.source_id is not distinct from a.source_id and b.entry_id > a.entry_id;
create unique index access_log_looks on access_log (user_id, actor_id, hour, source_id) nulls not distinct where verb = 'read';
