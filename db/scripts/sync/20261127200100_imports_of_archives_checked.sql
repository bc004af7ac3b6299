alter table imports validate constraint imports_format_check;
