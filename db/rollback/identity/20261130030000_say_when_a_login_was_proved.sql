-- What is lost: when people proved within their logins who they are. They are asked again.
alter table logins drop column proved_at, drop column proved_methods;
