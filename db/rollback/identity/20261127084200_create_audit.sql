-- What is lost: the history of every account.
drop procedure forget_old_audit;
drop table audit;
