-- What is lost: nothing. Services that did not hear of an erasure are not told again.
drop function open_erasures;
