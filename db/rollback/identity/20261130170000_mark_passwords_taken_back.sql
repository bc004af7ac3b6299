-- What is lost: which passwords were taken back and not chosen anew.
alter table passwords drop column taken_back_at;
