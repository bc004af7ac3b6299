-- What is lost: nothing.
alter table imports drop constraint imports_format_check,
    add constraint imports_format_check check (format in ('apple-health', 'csv', 'openreadings')) not valid;
