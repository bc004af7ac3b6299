-- Two requests of one moment: an upload ends while its account is being erased. Whoever adds an import holds this lock
-- shared, whoever erases holds it alone, so that the look at departed_users has always seen the truth.
create function lock_person(person uuid, alone boolean) returns void language plpgsql as $$
begin
    if alone then
        perform pg_advisory_xact_lock('imports'::regclass::oid::int, hashtext(person::text));
    else
        perform pg_advisory_xact_lock_shared('imports'::regclass::oid::int, hashtext(person::text));
    end if;
end
$$;

create function hold_person() returns trigger language plpgsql as $$
begin
    perform lock_person(new.user_id, alone => false);
    return new;
end
$$;
-- Triggers fire in the order of their names: the lock comes before the look.
create trigger a_hold_person before insert on imports for each row execute function hold_person();
