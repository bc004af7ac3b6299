-- Who wrote an event last, where that was not the person whose it is: said by the database, whichever version of the service writes.
create function app_writer_id() returns uuid language sql stable parallel safe
return case when public.app_owner_id() is not null then public.app_user_id() end;

create function note_writer() returns trigger language plpgsql as $$
begin
    new.written_by := app_writer_id();
    return new;
end
$$;

alter table events add column written_by uuid;

create trigger note_writer before insert or update on events for each row execute function note_writer();
