-- What is lost: on what and from where people are signed in.
alter table logins drop column device, drop column address;
