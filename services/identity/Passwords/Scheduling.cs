using System.Runtime.InteropServices;

namespace OpenReadings.Identity.Passwords;

/// <summary>
/// How far a thread gives way to what else the machine does. Being nice is not enough: Linux lets a thread that runs finish its slice, some
/// milliseconds, before one that wakes up may have the core, and niceness says nothing to threads of another session or container. So its
/// slices are as long as they may be (100 ms): to Linux that is who is in no hurry, and whoever wakes up with a shorter one has the core at
/// once (since 6.12; sched(7), sched_setattr(2)). The shortest would be wrong: its deadlines come first, and one of another session waits for
/// the next tick. So would the idle policy: threads that wake up are sent to its core, where hashing has emptied the caches, and on a machine
/// that is always busy it would never run.
/// </summary>
internal static partial class Scheduling
{
    private const ulong LongestSlice = 100_000_000;             // ns

    /// <summary>Of the thread that calls. Where it cannot be done, all are equal.</summary>
    public static void GiveWay(int niceness)
    {
        // The C library of Debian 12 has no function for it.
        nint? number = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 314, Architecture.Arm64 => 274, _ => null };
        if (number is null || niceness == 0) return;
        var wish = new Attributes { Size = (uint)Marshal.SizeOf<Attributes>(), Niceness = niceness, Slice = LongestSlice };
        _ = syscall(number.Value, 0, ref wish, 0);
    }

    // struct sched_attr; policy 0 is that of all threads.
    [StructLayout(LayoutKind.Sequential)]
    private struct Attributes
    {
        public uint Size, Policy;
        public ulong Flags;
        public int Niceness;
        public uint Priority;
        public ulong Slice, Deadline, Period;
    }

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint thread, ref Attributes wish, nint flags);
}
