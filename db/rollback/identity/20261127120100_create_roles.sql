-- What is lost: who is administrator or moderator.
drop function administer, people, has_administrator, become_first_administrator, is_administrator;
drop table roles;
