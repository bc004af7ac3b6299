using System.Collections.Concurrent;
using OpenReadings.Chassis;

namespace OpenReadings.Sync.Importing;

/// <summary>
/// Who is sending files to this replica just now, and how many bytes of them are on the disk and not queued yet: they
/// count like those that wait, or many uploads at once would each find the disk empty.
/// </summary>
public sealed class Uploads(ImportOptions options)
{
    private readonly ConcurrentDictionary<Guid, Person> people = new();

    /// <summary>One more upload of the person; 429 when there are too many. Disposing ends it.</summary>
    public Upload Begin(Guid user, long waitingBytes)
    {
        while (true)
        {
            var person = people.GetOrAdd(user, _ => new());
            lock (person)
            {
                if (person.IsGone) continue;
                if (person.Uploads >= options.MaxUploads)
                    throw new ProblemException(429, "too-many-uploads", $"{options.MaxUploads} files are being sent already. Let one of them end first.");
                person.Uploads++;
                return new(this, user, person, waitingBytes, options.MaxUnfinishedBytes);
            }
        }
    }

    /// <summary>How many files the person is sending now.</summary>
    public int By(Guid user) => people.TryGetValue(user, out var person) ? person.Uploads : 0;

    internal sealed class Person
    {
        public int Uploads { get; set; }
        public long Bytes { get; set; }
        public bool IsGone { get; set; }
    }

    /// <summary>One file on its way.</summary>
    public sealed class Upload : IDisposable
    {
        private readonly Uploads all;
        private readonly Guid user;
        private readonly Person person;
        private readonly long waiting, most;
        private long bytes;

        internal Upload(Uploads all, Guid user, Person person, long waiting, long most) =>
            (this.all, this.user, this.person, this.waiting, this.most) = (all, user, person, waiting, most);

        /// <summary>So many bytes more have come; 429 when the person's share of the disk is used up.</summary>
        public void Grow(long more)
        {
            lock (person)
            {
                if (waiting + person.Bytes + more > most)
                    throw new ProblemException(429, "too-many-bytes", $"The files that wait to be imported may have {most} bytes together. Let some of them end first.");
                person.Bytes += more;
            }

            bytes += more;
        }

        public void Dispose()
        {
            lock (person)
            {
                person.Bytes -= bytes;
                if (--person.Uploads > 0) return;
                person.IsGone = true;
                all.people.TryRemove(user, out _);
            }
        }
    }
}
