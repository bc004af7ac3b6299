-- Nothing is lost but the lock between an upload and the erasing of its account.
drop trigger a_hold_person on imports;
drop function hold_person, lock_person;
