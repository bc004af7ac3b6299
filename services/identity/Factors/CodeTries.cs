using OpenReadings.Chassis;

namespace OpenReadings.Identity.Factors;

/// <summary>
/// How many codes may be tried for one account: five, then one a minute, whichever replica is asked. Counted in the person's transaction,
/// which has to be committed whether the code was right or not; until then it holds back every other try of theirs.
/// </summary>
public static class CodeTries
{
    /// <summary>Where: at the door, or by somebody who is signed in. They are counted apart.</summary>
    public const string AtSignIn = "sign-in", InLogin = "login";
    private const int Most = 5;
    private const string Used = "greatest(0, t.used - extract(epoch from greatest(clock_timestamp() - t.at, interval '0')) / 60)";

    /// <summary>Takes one. When there is none left: how long to wait.</summary>
    public static async Task<TimeSpan?> TakeAsync(UserTransaction db, string place)
    {
        var taken = await db.ExecuteAsync(
            $"""
            insert into code_tries as t (place, used, at) values (@place, 1, clock_timestamp())
            on conflict (user_id, place) do update set used = {Used} + 1, at = clock_timestamp()
            where {Used} + 1 <= @Most
            """, new { place, Most });
        if (taken == 1) return null;
        var used = await db.ScalarAsync<double>($"select {Used} from code_tries t where place = @place", new { place });
        return TimeSpan.FromMinutes(Math.Max(0, used + 1 - Most));
    }

    /// <summary>The code was right: that was no guess. One is given back and not all, or every sign-in would pay for five guesses of somebody else.</summary>
    public static Task ReturnAsync(UserTransaction db, string place) =>
        db.ExecuteAsync("update code_tries set used = greatest(0, used - 1) where place = @place", new { place });
}
