using Dapper;
using Npgsql;
using OpenReadings.Ops.Sessions;

namespace OpenReadings.Ops.Tests.Sessions;

public sealed class LockTests
{
    [Fact]
    public async Task The_tree_shows_who_waits_for_whom_and_ending_the_root_frees_the_others()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await given.DoAsync("create table fought_over (id int primary key); insert into fought_over values (1)");
        await using var root = await given.InTransactionAsync("lock table fought_over in share mode");
        await using var middle = await given.InTransactionAsync("select 1");
        var middleWaits = middle.ExecuteAsync("update fought_over set id = 2; commit");
        await given.UntilAsync(Waits(middle));
        await using var leaf = await given.ConnectAsync();
        var leafWaits = leaf.ExecuteAsync("alter table fought_over add column word text default 'secret'");
        await given.UntilAsync(Waits(leaf));

        await using var database = await given.OpenAsync();
        var tree = await BlockingTree.ReadAsync(database, Given.Ct);
        Assert.Contains(tree.Roots, session => session.Pid == root.ProcessID);
        Assert.Equal(2, tree.WaitingFor(root.ProcessID));
        var text = tree.ToString();
        Assert.Matches($@"(?m)^{root.ProcessID} postgres@catalog_\w+ .*: idle in transaction", text);
        Assert.Matches($@"(?m)^    {middle.ProcessID} .*waits for RowExclusiveLock fought_over", text);
        Assert.Matches($@"(?m)^ +{leaf.ProcessID} .*waits for AccessExclusiveLock fought_over", text);
        Assert.Contains($"ops locks --terminate {root.ProcessID}", text, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", text, StringComparison.Ordinal);

        await LocksVerb.StopAsync(database, leaf.ProcessID, terminate: false, Given.Ct);
        Assert.Equal(PostgresErrorCodes.QueryCanceled, (await Assert.ThrowsAsync<PostgresException>(() => leafWaits)).SqlState);
        await LocksVerb.StopAsync(database, root.ProcessID, terminate: true, Given.Ct);
        await middleWaits;
        Assert.DoesNotContain((await BlockingTree.ReadAsync(database, Given.Ct)).Sessions, session => session.Database == database.Connection.Database);

        static string Waits(NpgsqlConnection session) => $"exists (select from pg_locks where pid = {session.ProcessID} and not granted)";
    }

    [Fact]
    public void A_transaction_that_was_prepared_and_forgotten_is_shown_as_the_root()
    {
        var tree = new BlockingTree([Session(0, ""), Session(17, "0")]);
        Assert.Equal(1, tree.WaitingFor(0));
        Assert.Contains("rollback prepared", tree.ToString(), StringComparison.Ordinal);

        static LockedSession Session(int pid, string blockedBy) =>
            new(pid, "", "", "", pid == 0 ? LockedSession.Prepared : "active", 0, 0, "", blockedBy, "");
    }

    [Fact]
    public async Task Only_a_client_can_be_stopped()
    {
        await using var given = await Given.DatabaseAsync("catalog");
        await using var database = await given.OpenAsync();
        var checkpointer = await given.AskAsync<int>("select pid from pg_stat_activity where backend_type = 'checkpointer'");
        foreach (var pid in new[] { checkpointer, database.Connection.ProcessID, 0 })
            Assert.Equal(Exit.Refused, (await Assert.ThrowsAsync<OpsException>(() => LocksVerb.StopAsync(database, pid, terminate: true, Given.Ct))).Exit);
    }
}
