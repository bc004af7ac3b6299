-- What is lost: the picture of every person.
drop table avatars;
