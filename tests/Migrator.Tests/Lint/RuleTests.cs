using System.Text;
using OpenReadings.Migrator.Lint;

namespace OpenReadings.Migrator.Tests.Lint;

public sealed class RuleTests
{
    /// <summary>What is in use already when the script of a sample comes.</summary>
    private const string Base =
        """
        create function app_user_id() returns uuid language sql stable return null::uuid;
        create function roll() returns int language sql volatile return 1;
        create type mood as enum ('sad');
        create table things (thing_id bigint primary key, name text, code varchar(10), n int);
        create table own (user_id uuid not null, id uuid not null, note text, primary key (user_id, id));
        alter table own enable row level security, force row level security;
        create policy own_read on own for select using (user_id = (select app_user_id()));

        """;

    private const string NoTransaction = "-- migrate: no-transaction\n";

    /// <summary>Rule, a script that it objects to in the last line, and one that does the same well.</summary>
    public static readonly TheoryData<string, string, string> Samples = new()
    {
        { "require-concurrent-index-creation", "create index on things (name);", NoTransaction + "create index concurrently if not exists things_name on things (name);" },
        { "require-concurrent-index-deletion", "drop index things_name;", NoTransaction + "drop index concurrently if exists things_name;" },
        { "require-concurrent-reindex", "reindex table things;", NoTransaction + "reindex table concurrently things;" },
        { "require-concurrent-partition-detach", "alter table things detach partition part;", NoTransaction + "alter table things detach partition part concurrently;" },
        { "concurrent-in-transaction", "create index concurrently things_name on things (name);", NoTransaction + "create index concurrently if not exists things_name on things (name);" },
        { "constraint-missing-not-valid", "alter table things add constraint n_positive check (n > 0);", "alter table things add constraint n_positive check (n > 0) not valid;" },
        { "adding-foreign-key-constraint", "alter table own add column thing_id bigint references things;", "alter table own add constraint own_things foreign key (id) references things not valid;" },
        { "adding-not-nullable-field", "alter table things alter column name set not null;", "alter table things add constraint name_there check (name is not null) not valid;" },
        { "adding-required-field", "alter table things add column size int not null;", "alter table things add column size int not null default 0;" },
        { "adding-field-with-default", "alter table things add column luck int default roll();", "alter table things add column luck int default 6;" },
        { "changing-column-type", "alter table things alter column n type bigint;", "alter table things add column n8 bigint;" },
        { "widening-column-type", "alter table things alter column code type text;", "alter table things add column code2 text;" },
        { "renaming-column", "alter table things rename column name to title;", "alter table things add column title text;" },
        { "renaming-table", "alter table things rename to objects;", "create table made (id bigint); alter table made rename to objects;" },
        { "renaming-schema", "alter schema stock rename to store;", "alter index things_pkey rename to things_key;" },
        { "renaming-enum-value", "alter type mood rename value 'sad' to 'blue';", "alter type mood add value 'blue' before 'sad';" },
        { "ban-drop-column", "alter table things drop column n;", "-- migrate: phase contract\nalter table things drop column n;" },
        { "ban-drop-table", "drop table things;", "-- migrate: phase contract\ndrop table things;" },
        { "ban-drop-database", "drop database readings;", "select 1;" },
        { "ban-truncate-cascade", "truncate things cascade;", "truncate things;" },
        { "ban-drop-not-null", "alter table own alter column note drop not null;", "alter table own alter column note set default '';" },
        { "disallowed-unique-constraint", "alter table things add constraint one_name unique (name);", "alter table things add constraint one_name unique using index things_name;" },
        { "adding-primary-key", "alter table things add primary key (thing_id);", "alter table things add primary key using index things_name;" },
        { "adding-exclusion-constraint", "alter table things add constraint apart exclude using gist (n with =);", "create table apart (n int, exclude using gist (n with =));" },
        { "require-lock-timeout", "set lock_timeout = 0;", "-- migrate: lock-timeout 1s\nselect 1;" },
        { "require-statement-timeout", "set local statement_timeout = 0;", "-- migrate: statement-timeout 1min\nselect 1;" },
        { "statements-after-access-exclusive", "alter table things add column a int;\ninsert into own (user_id, id) select null, null;", "insert into own (user_id, id) select null, null;\nalter table things add column a int;" },
        { "merge-alter-table", "alter table things add column a int;\nalter table things add column b int;", "alter table things add column a int, add column b int;" },
        { "backfill-in-ddl-tx", "alter table things add column a int;\nupdate things set a = n;", "alter table things add column a int;\nupdate things set a = n where thing_id < 1000;" },
        { "transaction-nesting", "commit;", "select 'commit';" },
        { "ban-uncommitted-transaction", "begin;", "select 'begin';" },
        { "prefer-robust-stmts", NoTransaction + "create index concurrently things_name on things (name);", NoTransaction + "create index concurrently if not exists things_name on things (name);" },
        { "require-enum-value-ordering", "alter type mood add value 'happy';", "alter type mood add value 'happy' after 'sad';" },
        { "enum-value-used-in-transaction", "alter type mood add value 'happy' after 'sad';\nselect 'happy'::mood;", "alter type mood add value 'happy' after 'sad';\nselect 'sad'::mood;" },
        { "ban-create-domain-with-constraint", "create domain age as int check (value > 0);", "create domain age as int;" },
        { "ban-alter-domain", "alter domain age drop not null;", "alter table things add column age int check (age > 0);" },
        { "prefer-bigint", "create table t (id int primary key);", "create table t (id bigint primary key);" },
        { "prefer-identity", "create table t (id bigserial primary key);", "create table t (id bigint generated always as identity primary key);" },
        { "prefer-text", "create table t (name varchar(20));", "create table t (name text check (char_length(name) <= 20));" },
        { "prefer-timestamptz", "create table t (at timestamp);", "create table t (at timestamptz);" },
        { "prefer-jsonb", "create table t (data json);", "create table t (data jsonb);" },
        { "ban-char-field", "create table t (code char(2));", "create table t (code text);" },
        { "identifier-too-long", $"create table {new string('t', 64)} (id bigint);", $"create table {new string('t', 63)} (id bigint);" },
        { "duplicate-column-assignments", "update things set n = 1, n = 2 where thing_id = 1;", "update things set n = 1, name = '' where thing_id = 1;" },
        { "require-table-schema", "set search_path = stock;\ncreate table t (id bigint);", "set search_path = stock;\ncreate table stock.t (id bigint);" },
        { "prefer-repack", "vacuum full things;", "vacuum (analyze) things;" },
        { "wide-index", NoTransaction + "create index concurrently if not exists w on things (thing_id, name, code, n);", NoTransaction + "create index concurrently if not exists w on things (thing_id, name, code);" },
        { "missing-foreign-key-index", "create table parts (id bigint primary key, thing_id bigint references things);", "create table parts (id bigint primary key, thing_id bigint references things);\ncreate index on parts (thing_id);" },

        { "rls-missing", "create table diary (user_id uuid, id uuid, primary key (user_id, id));", "create table diary (user_id uuid, id uuid, primary key (user_id, id));\ncall own_rows('diary');" },
        { "rls-not-forced", "create table diary (user_id uuid primary key); alter table diary enable row level security;", "create table diary (user_id uuid primary key); alter table diary enable row level security, force row level security;" },
        { "rls-without-policy", "create table diary (user_id uuid primary key); alter table diary enable row level security, force row level security;", "create table diary (user_id uuid primary key);\ncall own_rows('diary');" },
        { "policy-without-rls", "create table diary (id uuid primary key); create policy p on diary for select using (id is not null);", "create table diary (id uuid primary key); alter table diary enable row level security; create policy p on diary for select using (id is not null);" },
        { "policy-no-with-check", "create policy p on own using (user_id = (select app_user_id()));", "create policy p on own using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));" },
        { "policy-wide-without-check", "create policy p on own for all using (note = 'public' or user_id = (select app_user_id()));", "create policy p on own for select using (note = 'public' or user_id = (select app_user_id()));" },
        { "policy-always-true", "create policy p on own for select using (true);", "create policy p on own for select using (user_id = (select app_user_id()));" },
        { "policy-volatile-function", "create policy p on own for select using (user_id = app_user_id());", "create policy p on own for select using (user_id = (select app_user_id()));" },
        { "policy-setting-unsafe", "create policy p on own for select using (user_id = (select current_setting('app.user_id', true)::uuid));", "create policy p on own for select using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));" },
        { "policy-column-unindexed", "create table diary (id uuid primary key, user_id uuid); alter table diary enable row level security, force row level security;\ncreate policy p on diary for select using (user_id = (select app_user_id()));", "create policy p on own for select using (user_id = (select app_user_id()));" },
        { "partition-without-rls", "create table logs (user_id uuid, at timestamptz, primary key (user_id, at)) partition by range (at);\ncall own_rows('logs');\ncreate table old partition of logs for values from (minvalue) to ('2020-01-01');", "create table logs (user_id uuid, at timestamptz, primary key (user_id, at)) partition by range (at);\ncall own_rows('logs');\ncreate table old partition of logs for values from (minvalue) to ('2020-01-01');\nalter table old enable row level security, force row level security;" },
        { "view-not-security-invoker", "create view mine as select id from own;", "create view mine with (security_invoker = true) as select id from own;" },
        { "definer-function-search-path", "create function peek() returns bigint language sql security definer as $$ select count(*) from own $$;", "create function peek() returns bigint language sql security definer set search_path = public, pg_temp as $$ select count(*) from own $$;" },
        { "app-role-privileged", "alter role readings_app bypassrls;", "alter role readings_migrator bypassrls;" },
        { "backfill-under-force", "set local row_security = on;\nupdate own set note = '' where note is null;", "update own set note = '' where note is null;" },
        { "fk-validate-under-force", "set local row_security = on;\nalter table own validate constraint own_things;", "alter table own validate constraint own_things;" },
        { "grant-to-public", "grant select on things to public;", "grant select on things to readings_app;" },
        { "grant-all", "grant all on things to readings_app;", "grant select, insert on things to readings_app;" },
        { "default-privileges-missing", "create schema stock;", "create schema stock;\nalter default privileges in schema stock revoke all on tables from public;" },
        { "truncate-grant", "grant truncate on things to readings_app;", "grant delete on things to readings_app;" },
        { "references-grant", "grant references on things to readings_app;", "grant select on things to readings_app;" },
        { "dump-under-force", "create role readings_backup login;", "create role readings_backup login bypassrls;" },

        { "dollar-tag-named", "do $body$ begin end $body$;", "do $$ begin end $$;" },
        { "dollar-word-in-literal", "select '$2a$10$';", "select '$' || '2a' || '$';" },
        { "begin-atomic", "create function f() returns int language sql\nbegin atomic select 1; end;", "create function f() returns int language sql as $$ select 1 $$;" },
        { "copy-from-stdin", "copy things from stdin;", "insert into things values (1);" },
        { "psql-meta-command", "\\set x 1", "select 1;" },
        { "no-final-newline", "select 1; --no-newline", "select 1;" },
        { "bom", "\ufeffselect 1;", "select 1;" },
        { "crlf", "select 1;\r", "select 1;" },
        { "non-utf8", "select '\udcff';", "select 'ü';" },
        { "control-character", "select '\u0007';", "select 'bell';" },
        { "set-search-path", "set search_path = stock;", "select set_config('app.user_id', '', true);" },
        { "set-role", "set role postgres;", "select 1;" },
        { "reset-all", "reset all;", "reset work_mem;" },
        { "discard-all", "discard all;", "discard plans;" },
        { "advisory-unlock-all", "select pg_advisory_unlock_all();", "select pg_advisory_unlock(1);" },
        { "script-name", "select 1; --file:2026_x.sql", "select 1;" },
        { "down-file", "select 1; --file:20260101000000_x.down.sql", "select 1;" },
        { "apostrophe-in-body-comment", "do $$ begin -- it's\nend $$;", "do $$ begin -- it is\nend $$;" },
    };

    public static TheoryData<string> Rules => [.. Linter.Rules.Select(rule => rule.Id)];

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_rule_objects_to_the_bad_script_and_not_to_the_good_one(string rule, string bad, string good)
    {
        Assert.Contains(Of(bad), finding => finding.Rule.Id == rule && finding.Where.Source.Name != "20250101000000_base.sql");
        Assert.DoesNotContain(Of(good), finding => finding.Rule.Id == rule || finding.Rule.Id == "syntax");
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void Each_rule_has_a_sample(string rule) => Assert.Contains(Samples, sample => sample.Data.Item1 == rule);

    [Fact]
    public void A_finding_names_the_line_of_its_statement()
    {
        var finding = Assert.Single(Of("-- why\n\nselect 1;\n\n-- the index\ncreate index on things (name);"), finding => finding.Rule.Id == "require-concurrent-index-creation");
        Assert.Equal(6, finding.Where.Line);
    }

    [Fact]
    public void What_a_script_itself_made_may_be_changed_at_will() =>
        Assert.Empty(Of("create table fresh (id bigint primary key, n int);\ncreate index on fresh (n);\nalter table fresh alter column n set not null;\nupdate fresh set n = 0;"));

    [Fact]
    public void Allow_silences_one_rule_in_one_script_and_needs_a_reason_and_a_use()
    {
        const string drop = "alter table things drop column n;";
        Assert.Empty(Of("-- migrate: allow ban-drop-column nobody reads it since May\n" + drop));
        Assert.Equal(["allow-without-reason", "ban-drop-column"], Of("-- migrate: allow ban-drop-column\n" + drop).Select(finding => finding.Rule.Id).Order());
        Assert.Equal(["unused-allow"], Of("-- migrate: allow ban-drop-column nobody reads it\nselect 1;").Select(finding => finding.Rule.Id));
    }

    [Fact]
    public void What_is_no_sql_and_what_is_never_closed_is_said_at_its_place()
    {
        Assert.Equal(2, Assert.Single(Of("select 1;\nselct 2;"), finding => finding.Rule.Id == "syntax").Where.Line);
        Assert.Contains(Of("select 'open;"), finding => finding.Rule.Id == "syntax");
    }

    [Fact]
    public void Two_scripts_of_one_second_have_no_order()
    {
        var two = new[] { Source("20260101000000_a.sql", "select 1;\n"), Source("20260101000000_b.sql", "select 1;\n") };
        Assert.Equal("duplicate-timestamp", Assert.Single(Linter.Of(two, false)).Rule.Id);
    }

    [Fact]
    public void Only_strictness_makes_an_error_of_what_dbup_stumbles_over()
    {
        Assert.Equal(Severity.Warning, Assert.Single(Of("do $body$ begin end $body$;")).Severity);
        Assert.Equal(Severity.Error, Assert.Single(Of("do $body$ begin end $body$;", strict: true)).Severity);
    }

    private static List<Finding> Of(string script, bool strict = false)
    {
        var name = script.Contains("--file:", StringComparison.Ordinal) ? script.Split("--file:")[1] : "20260101000000_sample.sql";
        var text = script.Contains("--no-newline", StringComparison.Ordinal) ? script : script + "\n";
        return Linter.Of([Source("20250101000000_base.sql", Base), Source(name, text)], strict)
            .Where(finding => finding.Where.Source.Name != "20250101000000_base.sql").ToList();
    }

    // A lone surrogate stands for a byte that is no UTF-8.
    private static Source Source(string name, string text) => new("sample", name,
        text.Contains('\udcff', StringComparison.Ordinal) ? [.. Encoding.UTF8.GetBytes(text.Replace("\udcff", "", StringComparison.Ordinal)), 0xff, (byte)'\n'] : Encoding.UTF8.GetBytes(text));
}
