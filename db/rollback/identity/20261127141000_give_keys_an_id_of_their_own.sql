-- What is lost: that some keys act as themselves. They would act as their persons, so they are ended.
update api_keys set ended_at = now() where own_id is not null and ended_at is null;
alter table api_keys drop column own_id;
