-- migrate: no-transaction
-- Who was granted a series twice has a row for each access: the strongest need not be the one that lasts longest.
create unique index concurrently if not exists series_access_by_level on series_access (user_id, series_id, access);
