-- What is lost: which accounts were erased, and by which services; the public halves of old signing keys, without which old receipts cannot be verified.
drop trigger retire_key on signing_keys;
drop function retire_key, find_erasure;
drop procedure begin_erasure, note_erased, forget_old_erasures;
drop table erasures, retired_keys;
