-- What is lost: nothing; the index has become the primary key, and the way back of that removes it.
select 1;
