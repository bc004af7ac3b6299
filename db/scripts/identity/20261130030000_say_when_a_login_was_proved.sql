-- A login lasts for months. What outlives it (a key, a passkey, an application) takes a proof of who it is that is recent: when one was given within
-- the login, and how (as in methods). Null until then: what counts is how it began.
alter table logins add column proved_at timestamptz, add column proved_methods text;
