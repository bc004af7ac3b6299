-- What a person recognises a login by: the program it is on, as that called itself, and the network it was last seen from (of
-- IPv6 the /64). Null for logins from before.
alter table logins add column device text, add column address cidr;
