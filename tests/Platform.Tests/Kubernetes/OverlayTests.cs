using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests.Kubernetes;

/// <summary>deploy/k8s as far as it can be proven without a cluster.</summary>
public sealed partial class OverlayTests
{
    private static readonly string[] Services = ["identity", "readings", "catalog", "sync"];
    private static readonly Task<IReadOnlyDictionary<string, IReadOnlySet<string>>> Made = MakeSecretsAsync();

    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Every_rule_holds(string name) => Assert.Empty(Rules.Of(await Overlay.ReadAsync(name), await Made));

    [Fact]
    public void A_field_that_nobody_knows_is_refused()
    {
        Assert.ThrowsAny<Exception>(() => Overlay.Read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replica: 3}"));
        Assert.ThrowsAny<Exception>(() => Overlay.Read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: many}"));
        Assert.ThrowsAny<Exception>(() => Overlay.Read("apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\nspec: {endpoint: []}"));
        Assert.ThrowsAny<Exception>(() => Overlay.Read("apiVersion: example.org/v1\nkind: Unheard\nmetadata: {name: a}"));
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "root", "Deployment/readings-api may run as root." }, { "seccomp", "Deployment/readings-api may make any system call." },
        { "token", "Deployment/readings-api is given a token for the cluster." }, { "links", "Deployment/readings-api is told of every service in its environment." },
        { "host", "Deployment/readings-api sees the node." }, { "hostPath", "Deployment/readings-api mounts the node's files." },
        { "privilege", "Deployment/readings-api/api may gain privileges." }, { "files", "Deployment/readings-api/api may write its own files." },
        { "capabilities", "Deployment/readings-api/api keeps capabilities." }, { "latest", "Deployment/readings-api/api has no fixed image: openreadings/readings:latest." },
        { "untagged", "Deployment/readings-api/wait-for-schema has no fixed image: openreadings/migrate." }, { "requests", "Deployment/readings-api/api asks for nothing." },
        { "memory", "Deployment/readings-api/api has no limit of memory." }, { "plain", "Deployment/readings-api/api is told Broker__Password in the open." },
        { "probe", "Deployment/readings-api/api is not looked at." }, { "preStop", "Deployment/readings-api does not drain." },
        { "owner", "Deployment/readings-api is given the owner's password of readings-migrate." }, { "other", "Deployment/readings-api is given the secrets of identity." },
        { "claim", "Deployment/readings-api mounts a claim that is not there: nowhere." }, { "secret", "Deployment/readings-api mounts a Secret that make-secrets.sh does not make: unheard." },
        { "port", "Service/readings-api leads to no port grpc." }, { "selector", "Service/readings-api leads to 0 workloads." },
        { "scaler", "HorizontalPodAutoscaler/readings-api scales nothing, or against somebody." }, { "budget", "Deployment/readings-api has not one disruption budget." },
        { "open", "Nothing denies what nobody allowed." }, { "aimless", "NetworkPolicy/edge is about no pod." }, { "ever", "Job/readings-migrate may go on for ever." },
        { "kept", "Job/readings-migrate is kept for ever, or taken from under a hook." }, { "bare", "Secret/oops is in the manifests." },
        { "place", "Deployment/readings-api waits for the scripts of another place than they are brought to." }, { "spread", "Deployment/readings-api may be on one node." },
        { "unscaled", "Deployment/readings-api is not scaled." }, { "map", "Deployment/readings-api mounts a ConfigMap that is not there: nothing." },
        { "operator", "Deployment/readings-api is given the operator's passwords." }, { "superuser", "Deployment/readings-api is given the superuser's password." },
        { "volume", "Deployment/readings-api/api mounts a volume that is not there: nothing." }, { "key", "Deployment/readings-api/wait-for-schema mounts a key that is not there: nothing." },
        { "settings", "Deployment/readings-api/api takes settings from what is not there." }, { "monitor", "ServiceMonitor/blind finds no service." },
        { "namespace", "Deployment/readings-api is in no namespace of ours." }, { "policy", "Job/readings-migrate has a policy for failures that needs restartPolicy Never." },
        { "cookie", "StatefulSet/rabbitmq opens all that it keeps with each start." }, { "room", "CronJob/backup/run has no room for a set." },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_fault_is_found(string fault, string complaint)
    {
        var overlay = await Overlay.ReadAsync(fault == "room" ? "operators" : "dev");
        var api = overlay.All<V1Deployment>().Single(one => one.Metadata.Name == "readings-api");
        var (pod, container) = (api.Spec.Template.Spec, api.Spec.Template.Spec.Containers[0]);
        var service = overlay.All<V1Service>().Single(one => one.Metadata.Name == "readings-api");
        var job = overlay.All<V1Job>().Single(one => one.Metadata.Name.StartsWith("readings-migrate", StringComparison.Ordinal));
        job.Metadata.Name = "readings-migrate";
        var more = new List<IKubernetesObject<V1ObjectMeta>>();
        Action spoil = fault switch
        {
            "root" => () => pod.SecurityContext.RunAsUser = 0,
            "seccomp" => () => pod.SecurityContext.SeccompProfile = null,
            "token" => () => pod.AutomountServiceAccountToken = null,
            "links" => () => pod.EnableServiceLinks = true,
            "host" => () => pod.HostNetwork = true,
            "hostPath" => () => pod.Volumes.Add(new V1Volume { Name = "host", HostPath = new() { Path = "/" } }),
            "privilege" => () => container.SecurityContext.AllowPrivilegeEscalation = null,
            "files" => () => container.SecurityContext.ReadOnlyRootFilesystem = false,
            "capabilities" => () => container.SecurityContext.Capabilities.Add = ["NET_ADMIN"],
            "latest" => () => container.Image = "openreadings/readings:latest",
            "untagged" => () => pod.InitContainers[0].Image = "openreadings/migrate",
            "requests" => () => container.Resources.Requests = null,
            "memory" => () => container.Resources.Limits = null,
            "plain" => () => container.Env = [new V1EnvVar { Name = "Broker__Password", Value = "swordfish" }],
            "probe" => () => container.LivenessProbe = null,
            "preStop" => () => container.Lifecycle = null,
            "owner" => () => pod.Volumes[0].Secret.SecretName = "readings-migrate",
            "other" => () => pod.Volumes[0].Secret.SecretName = "identity",
            "claim" => () => pod.Volumes.Add(new V1Volume { Name = "more", PersistentVolumeClaim = new() { ClaimName = "nowhere" } }),
            "secret" => () => pod.Volumes[0].Secret.SecretName = "unheard",
            "port" => () => service.Spec.Ports[0].TargetPort = "grpc",
            "selector" => () => service.Spec.Selector["app.kubernetes.io/name"] = "nobody",
            "scaler" => () => api.Spec.Replicas = 2,
            "budget" => () => overlay.All<V1PodDisruptionBudget>().Single(one => one.Metadata.Name == "readings-api").Spec.Selector.MatchLabels["app.kubernetes.io/name"] = "nobody",
            "open" => () => overlay.All<V1NetworkPolicy>().Single(one => one.Metadata.Name == "default-deny").Spec.Egress = [new()],
            "aimless" => () => overlay.All<V1NetworkPolicy>().Single(one => one.Metadata.Name == "edge").Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] = "nobody",
            "ever" => () => job.Spec.ActiveDeadlineSeconds = null,
            "kept" => () => job.Spec.TtlSecondsAfterFinished = null,
            "bare" => () => more.Add(new V1Secret { Metadata = new() { Name = "oops", NamespaceProperty = "openreadings" } }),
            "place" => () => pod.InitContainers[0].Env = null,
            "spread" => () => pod.TopologySpreadConstraints = null,
            "unscaled" => () => overlay.All<V2HorizontalPodAutoscaler>().Single(one => one.Metadata.Name == "readings-api").Spec.ScaleTargetRef.Name = "nobody",
            "map" => () => pod.Volumes.Add(new V1Volume { Name = "more", ConfigMap = new() { Name = "nothing" } }),
            "operator" => () => pod.Volumes[0].Secret.SecretName = "ops",
            "superuser" => () => pod.Volumes[0].Secret.SecretName = "bootstrap",
            "volume" => () => container.VolumeMounts.Add(new V1VolumeMount { Name = "nothing", MountPath = "/nothing" }),
            "key" => () => pod.InitContainers[0].VolumeMounts[0].SubPath = "nothing",
            "settings" => () => container.EnvFrom[0].ConfigMapRef.Name = "nothing",
            "monitor" => () => more.Add(new ServiceMonitor { Kind = "ServiceMonitor", Metadata = new() { Name = "blind", NamespaceProperty = "openreadings" }, Spec = new() { Endpoints = [new()] } }),
            "namespace" => () => api.Metadata.NamespaceProperty = "default",
            "policy" => () => job.Spec.Template.Spec.RestartPolicy = "OnFailure",
            "cookie" => () => overlay.All<V1StatefulSet>().Single(one => one.Metadata.Name == "rabbitmq").Spec.Template.Spec.SecurityContext.FsGroupChangePolicy = null,
            "room" => () => overlay.All<V1CronJob>().Single(one => one.Metadata.Name == "backup").Spec.JobTemplate.Spec.Template.Spec.Volumes[2].EmptyDir.SizeLimit = new("1Gi"),
            _ => throw new ArgumentException(fault),
        };
        spoil();
        Assert.Contains(complaint, Rules.Of(overlay with { Objects = [.. overlay.Objects, .. more] }, await Made));
    }

    [Fact]
    public async Task What_others_can_reach_does_not_call_itself_this_machine() =>
        Assert.Contains(Rules.Of(await Overlay.ReadAsync("dev") with { Name = "prod" }, await Made), complaint => complaint.EndsWith("has an issuer of this machine.", StringComparison.Ordinal));

    [Fact]
    public async Task The_network_lets_through_what_is_needed_and_nothing_else()
    {
        var overlay = await Overlay.ReadAsync("dev");
        var pods = overlay.Workloads.Where(it => it.Service is not "bootstrap").ToDictionary(
            it => it.Job is null ? it.Service! : $"{it.Service} migration", it => it.Labels);
        var open = from one in pods
                   from other in pods
                   from port in new[] { 8080, 5432, 5672, 15672, 25672 }
                   where one.Key != other.Key && Rules.Reaches(overlay, one.Value, other.Value, port)
                   select $"{one.Key} > {other.Key}:{port}";
        var needed = Services.SelectMany(service => new[]
        {
            $"edge > {service}:8080", $"{service} > postgresql:5432", $"{service} migration > postgresql:5432", $"{service} > rabbitmq:5672", $"{service} > rabbitmq:15672",
        }).Concat(["readings > identity:8080", "catalog > identity:8080", "sync > identity:8080", "sync > readings:8080"]);
        Assert.Equal(needed.Order(StringComparer.Ordinal), open.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task A_Job_is_named_by_the_scripts_it_brings_and_gives_up_where_trying_again_is_of_no_use(string name)
    {
        var overlay = await Overlay.ReadAsync(name);
        var codes = Regex.Matches(await File.ReadAllTextAsync(Path.Combine(TestServers.Root, "db", "migrator", "ExitCode.cs"), TestContext.Current.CancellationToken), @"^    \w+ = (\d+),", RegexOptions.Multiline)
            .Select(match => int.Parse(match.Groups[1].Value)).ToList();
        var tag = overlay.All<V1Deployment>().Single(one => one.Metadata.Name == "sync-api").Spec.Template.Spec.Containers[0].Image.Split(':')[1];
        foreach (var service in Services)
        {
            var job = overlay.All<V1Job>().Single(one => one.Metadata.Name.StartsWith($"{service}-migrate-", StringComparison.Ordinal));
            var (exit, said) = await RunAsync("db/migrator", "migrate", "manifest", "--service", service);
            Assert.True(exit == 0, said);
            var digest = Digest().Match(said).Value;
            Assert.True(job.Metadata.Name == $"{service}-migrate-{digest[..12]}-{tag.Replace('.', '-')}", $"{job.Metadata.Name} is not that of these scripts: run deploy/k8s/stamp.sh");
            Assert.Equal("openreadings/migrate:" + tag, job.Spec.Template.Spec.Containers[0].Image);
            var final = job.Spec.PodFailurePolicy.Rules.Single(rule => rule.Action == "FailJob").OnExitCodes;
            Assert.Equal(job.Spec.Template.Spec.Containers[0].Name, final.ContainerName);
            Assert.Equal(codes.Except([0, 1, 3, 7, 8, 143]), final.Values);   // 3 says of status and wait, not of up
            // It outlasts the first start of a server and the Job that makes the roles, and ends by itself before it is ended.
            var (args, tries) = (job.Spec.Template.Spec.Containers[0].Args, job.Spec.BackoffLimit + 1);
            var attempts = int.Parse(args[args.IndexOf("--wait-attempts") + 1]);
            Assert.True(attempts * 3 * tries >= 15 * 60, $"{job.Metadata.Name} gives up before a server has started.");
            Assert.True(attempts * 3 * tries < job.Spec.ActiveDeadlineSeconds / 2, $"{job.Metadata.Name} is ended while it waits.");
            Assert.Contains(job.Spec.PodFailurePolicy.Rules, rule => rule.Action == "Ignore" && rule.OnPodConditions.Any(condition => condition.Type == "DisruptionTarget"));
        }
        Assert.Equal(name is "argo" or "helm-hook", overlay.All<V1Job>().Where(job => job.Spec.PodFailurePolicy is not null).All(Rules.IsHook));
    }

    [Theory]
    [InlineData("data")]
    [InlineData("contract")]
    public async Task A_later_phase_is_brought_by_the_same_Jobs_under_names_of_their_own(string phase)
    {
        var release = (await Overlay.ReadAsync("prod")).All<V1Job>().OrderBy(job => job.Metadata.Name, StringComparer.Ordinal).ToList();
        var later = (await Overlay.ReadAsync($"../after/{phase}")).Objects.Cast<V1Job>().OrderBy(job => job.Metadata.Name, StringComparer.Ordinal).ToList();
        Assert.Equal(Services.Length, later.Count);
        Assert.Equal(release.Select(job => $"{job.Metadata.Name}-{phase}"), later.Select(job => job.Metadata.Name));
        foreach (var job in later)
        {
            var args = job.Spec.Template.Spec.Containers[0].Args;
            Assert.Equal(phase, args[args.IndexOf("--phase") + 1]);
            args[args.IndexOf("--phase") + 1] = "expand";
        }
        Assert.Equal(release.Select(job => KubernetesYaml.Serialize(job.Spec)), later.Select(job => KubernetesYaml.Serialize(job.Spec)));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task What_a_container_is_told_is_understood(string name)
    {
        var overlay = await Overlay.ReadAsync(name);
        foreach (var container in overlay.Workloads.SelectMany(it => it.Containers).Where(container => container.Args is { Count: > 0 } && container.Args[0] != "metrics"))
        {
            var (folder, program) = container.Image.Split(':')[0] switch
            {
                "openreadings/migrate" => ("db/migrator", "migrate"),
                "openreadings/ops" => ("db/ops", "ops"),
                _ => ("", ""),
            };
            if (program.Length == 0) continue;
            // Without a database each says what it lacks; of an argument it does not know it would speak first.
            var (exit, said) = await RunAsync(folder, program, [.. container.Args.Where(arg => arg != "/dev/termination-log" && arg != "--report")]);
            Assert.True(exit == 2 && Lacks().IsMatch(said), $"{program} {string.Join(' ', container.Args)}: {exit} {said}");
        }

        var code = string.Join('\n', new[] { "services", "db/ops" }.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(TestServers.Root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText));
        foreach (var key in overlay.All<V1ConfigMap>().Where(map => map.Metadata.Name.StartsWith("settings-", StringComparison.Ordinal) || map.Metadata.Name.StartsWith("ops-", StringComparison.Ordinal)).SelectMany(map => map.Data.Keys))
            Assert.True(key.Split("__").Where(part => !int.TryParse(part, out _)).All(part => code.Contains(part, StringComparison.Ordinal)), $"Nobody reads {key}.");
        foreach (var probe in overlay.Workloads.Where(it => it.Component == "api").SelectMany(it => it.Pod.Containers).SelectMany(one => new[] { one.StartupProbe, one.ReadinessProbe, one.LivenessProbe }))
            Assert.Contains($"\"{probe.HttpGet.Path}\"", code, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_are_made_outside_of_the_checkout_and_every_service_finds_its_own()
    {
        var made = await Made;
        Assert.Subset(new HashSet<string>(made["readings"]), new HashSet<string> { "ConnectionStrings__app", "ConnectionStrings__relay", "Broker" });
        Assert.All(Services, service => Assert.Equal([$"ConnectionStrings__{service}_migrator"], made[$"{service}-migrate"]));
        Assert.Subset(new HashSet<string>(made["ops"]), new HashSet<string> { "ConnectionStrings__admin", "Broker", "backup.key" });
        Assert.All(Services, service => Assert.DoesNotContain(made[service], key => key.Contains("migrator", StringComparison.Ordinal) || key.Contains("admin", StringComparison.Ordinal)));
        var (exit, said) = await Shell.RunAsync("deploy/k8s/make-secrets.sh secrets a:1 b:1");
        Assert.Equal(2, exit);
        Assert.Contains("is in the checkout", said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(TestServers.Root, "secrets")));
    }

    private static async Task<IReadOnlyDictionary<string, IReadOnlySet<string>>> MakeSecretsAsync()
    {
        var folder = Directory.CreateTempSubdirectory("openreadings").FullName;
        var kubectl = Path.Combine(TestServers.Root, ".dev", "tools");
        var (exit, said) = await Shell.RunAsync("PATH=$2:$PATH deploy/k8s/make-secrets.sh \"$1\" postgresql:5432 rabbitmq:5672", null, folder, kubectl);
        Assert.True(exit == 0, said);
        Directory.Delete(folder, recursive: true);
        return KubernetesYaml.LoadAllFromString(said, null, strict: true).Cast<V1Secret>()
            .ToDictionary(secret => secret.Metadata.Name, IReadOnlySet<string> (secret) => secret.Data.Keys.ToHashSet());
    }

    // The overlays have most of what they say in common: each command is run once.
    private static Task<(int Exit, string Said)> RunAsync(string folder, string program, params string[] arguments) => Ran.GetOrAdd(string.Join('\n', [program, .. arguments]), _ =>
    {
        var build = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
        return Shell.RunAsync($"SECRETS_DIRECTORY=/nowhere dotnet {folder}/bin/{build}/net10.0/{program}.dll \"$@\"", null, arguments);
    });
    private static readonly ConcurrentDictionary<string, Task<(int Exit, string Said)>> Ran = new();

    [GeneratedRegex("[0-9a-f]{64}")]
    private static partial Regex Digest();

    [GeneratedRegex("ConnectionStrings|OPENREADINGS_BACKUP")]
    private static partial Regex Lacks();
}
