using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace OpenReadings.Identity.Passwords;

/// <summary>
/// Hashes and checks passwords in a process of its own, which this one starts and asks through its standard input and output. Each hash maps and
/// unmaps 19 MiB, and while the kernel does so for one thread of a process, all others of it may have to wait
/// (docs/decisions/0055-passwords-in-a-process-of-their-own.md). It ends with this one: its input does. Should it end by itself, whoever waits for it
/// is told so, and the next question starts another.
/// </summary>
internal sealed class HashingProcess(int threads, int niceness) : IDisposable
{
    private const string Verb = "hash-passwords", Right = "right", Wrong = "wrong";
    // It needs none of our secrets.
    private static readonly string[] Inherited = ["PATH", "DOTNET_ROOT", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"];
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly Lock gate = new();
    private readonly Dictionary<int, TaskCompletionSource<string>> asked = [];
    private Process? process;
    private int last;
    private bool isDisposed;

    /// <summary>Of the process, if there is one.</summary>
    public int? Id
    {
        get
        {
            lock (gate) return process?.Id;
        }
    }

    public async Task<string> HashAsync(string password) =>
        await AskAsync("", password) is { Length: > 0 } hash ? hash : throw new InsufficientMemoryException("There is no memory to hash a password with.");

    public async Task<bool> VerifyAsync(string hash, string password) => await AskAsync(hash, password) == Right;

    private async Task<string> AskAsync(string hash, string password)
    {
        var answer = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        Process of;
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            of = process ??= Start();
            asked.Add(++last, answer);
            try
            {
                process.StandardInput.BaseStream.Write(Question(last, hash, password));
                process.StandardInput.BaseStream.Flush();
            }
            catch (IOException) { }                              // it has ended: whoever listens to it says so to all
        }
        try
        {
            return await answer.Task.WaitAsync(Patience);
        }
        catch (TimeoutException e)
        {
            lock (gate)
                if (process == of) of.Kill();                    // not one that has taken its place meanwhile
            throw new IOException($"The process that hashes passwords did not answer for {Patience.TotalSeconds} s and was ended; the next password starts another.", e);
        }
    }

    // A number, the hash to check against or nothing, and the password. An answer is the number and the hash, nothing where there was no memory
    // for it, or one of the two words.
    private static byte[] Question(int number, string hash, string password)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write(number);
        writer.Write(hash);
        writer.Write(password);
        writer.Flush();
        return bytes.ToArray();
    }

    private Process Start()
    {
        var dotnet = Path.GetFileName(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        string[] arguments = [typeof(HashingProcess).Assembly.Location, Verb, threads.ToString(CultureInfo.InvariantCulture), niceness.ToString(CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo(dotnet, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var name in start.Environment.Keys.Except(Inherited).ToList()) start.Environment.Remove(name);
        start.Environment["DOTNET_EnableDiagnostics"] = "0";     // nobody is to look into it
        var begun = Process.Start(start)!;
        try
        {
            new Thread(() => Listen(begun)) { IsBackground = true, Name = "passwords" }.Start();
            return begun;
        }
        catch
        {
            begun.Kill();
            throw;
        }
    }

    private void Listen(Process to)
    {
        try
        {
            using var answers = new BinaryReader(to.StandardOutput.BaseStream, Encoding.UTF8);
            while (true)
            {
                var (number, answer) = (answers.ReadInt32(), answers.ReadString());
                lock (gate)
                    if (asked.Remove(number, out var waiting)) waiting.SetResult(answer);
            }
        }
        catch (Exception e)
        {
            if (!to.WaitForExit(TimeSpan.FromSeconds(1))) to.Kill();
            to.WaitForExit();
            lock (gate)
            {
                // 137 is what the kernel leaves behind that had no more memory for it.
                foreach (var waiting in asked.Values) waiting.SetException(new IOException($"The process that hashes passwords has ended with {to.ExitCode}; the next password starts another.", e));
                asked.Clear();
                process = null;
                to.StandardInput.Dispose();
                to.Dispose();
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            isDisposed = true;
            process?.StandardInput.Dispose();
        }
    }

    /// <summary>What the process itself does, if it was started to hash passwords: until its input ends.</summary>
    public static bool IsMeant(string[] args) => args is [Verb, _, _];

    /// <inheritdoc cref="IsMeant"/>
    public static int Run(string[] args)
    {
        Argon2.Prepare();
        // Whoever started it decides when it ends: a terminal interrupts both, and what was asked is still to be answered.
        PosixSignalRegistration[] ignored = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
            .Select(signal => PosixSignalRegistration.Create(signal, context => context.Cancel = true))];
        var niceness = int.Parse(args[2], CultureInfo.InvariantCulture);
        using var waiting = new BlockingCollection<(int Number, string Hash, string Password)>();
        using var answers = new BinaryWriter(Console.OpenStandardOutput(), Encoding.UTF8);
        Thread[] all = [.. Enumerable.Range(0, int.Parse(args[1], CultureInfo.InvariantCulture)).Select(i => new Thread(Work) { IsBackground = true, Name = $"passwords {i}" })];
        foreach (var thread in all) thread.Start();
        using var questions = new BinaryReader(Console.OpenStandardInput(), Encoding.UTF8);
        try
        {
            while (true) waiting.Add((questions.ReadInt32(), questions.ReadString(), questions.ReadString()));
        }
        catch (EndOfStreamException) { }
        waiting.CompleteAdding();
        foreach (var thread in all) thread.Join();
        foreach (var registration in ignored) registration.Dispose();
        return 0;

        static string Hashed(string password)
        {
            try { return Argon2.Hash(password); }
            catch (InsufficientMemoryException) { return ""; }
        }

        void Work()
        {
            Scheduling.GiveWay(niceness);
            foreach (var (number, hash, password) in waiting.GetConsumingEnumerable())
            {
                var answer = hash.Length == 0 ? Hashed(password) : Argon2.Verify(hash, password) ? Right : Wrong;
                try
                {
                    lock (answers)
                    {
                        answers.Write(number);
                        answers.Write(answer);
                        answers.Flush();
                    }
                }
                catch (IOException) { return; }                  // nobody listens any more
            }
        }
    }
}
