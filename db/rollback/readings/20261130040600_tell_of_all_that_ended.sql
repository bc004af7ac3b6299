-- What is lost: nothing. Of grants that end with another one nobody is told any more.
drop function grants_ended_now(uuid);
