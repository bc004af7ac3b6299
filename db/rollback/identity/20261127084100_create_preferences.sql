-- What is lost: everybody's preferences.
drop table preferences;
