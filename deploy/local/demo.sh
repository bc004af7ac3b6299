walk() { :; }
demo() { :; }
