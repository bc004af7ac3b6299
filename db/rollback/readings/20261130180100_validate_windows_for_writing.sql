-- What is lost: nothing. The constraint goes with the first script of these.
select;
