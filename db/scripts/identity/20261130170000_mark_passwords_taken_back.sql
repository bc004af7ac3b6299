-- When somebody brought their address back, and their password became nobody's until one is chosen by mail. Not the same as one that was never
-- chosen: until then a way in that was planted earlier must not stand in for it.
alter table passwords add column taken_back_at timestamptz;
