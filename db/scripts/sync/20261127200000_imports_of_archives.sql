-- An archive of OpenReadings itself can be imported: a third format. Validated by the next script, with a lighter lock.
alter table imports drop constraint imports_format_check,
    add constraint imports_format_check check (format in ('apple-health', 'csv', 'openreadings')) not valid;
