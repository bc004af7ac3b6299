-- What is lost: imports of archives, with their receipts and rejects; what they stored stays.
delete from imports where format = 'openreadings';
alter table imports drop constraint imports_format_check,
    add constraint imports_format_check check (format in ('apple-health', 'csv')) not valid;
alter table imports validate constraint imports_format_check;
