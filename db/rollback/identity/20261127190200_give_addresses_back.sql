-- What is lost: the way back to an address that somebody else signed up with meanwhile.
drop function take_address_back;
