-- What is lost: nothing. The constraint goes with the script before.
select;
