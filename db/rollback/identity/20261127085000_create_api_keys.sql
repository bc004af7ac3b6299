-- What is lost: every key that a gadget or a script opens the door with.
drop function find_api_key;
drop table api_keys;
