-- What is lost: which queues applications have. Those at the broker stay, with their users: delete them there (names begin with app.).
drop trigger say_farewell on accounts;
drop trigger look_at_queues on accounts;
drop trigger end_application_queue on applications;
drop function say_farewell();
drop function look_at_queues();
drop function end_application_queue();
drop function take_queues(int);
drop procedure settle_queue(text, timestamptz);
drop procedure miss_queue(text);
drop function queues_of(uuid[], text[]);
drop procedure forget_farewells();
drop table farewells;
drop table application_queues;
