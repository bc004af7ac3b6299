-- What is lost: the ends that keys were made with which are being rotated. Rotated once more, they give keys that end with them.
alter table api_keys drop column rotated_at, drop column made_until;
