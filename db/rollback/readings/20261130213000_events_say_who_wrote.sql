-- What is lost: who wrote each event of somebody else's. The access log still says it by source and hour.
drop trigger note_writer on events;

alter table events drop column written_by;

drop function note_writer();

drop function app_writer_id();
