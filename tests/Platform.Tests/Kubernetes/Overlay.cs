using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using OpenReadings.Support;

namespace OpenReadings.PlatformTests.Kubernetes;

/// <summary>What <c>kubectl kustomize</c> makes of an overlay, read so strictly that a field nobody knows is an error.</summary>
internal sealed record Overlay(string Name, IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Objects)
{
    public static readonly string[] Names = ["dev", "prod", "helm-hook", "argo", "operators"];
    private static readonly ConcurrentDictionary<string, Task<string>> Rendered = new();

    // The kinds of the operators, as far as these manifests use them; all others are Kubernetes' own.
    private static readonly Dictionary<string, Type> Kinds = new()
    {
        ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(ServiceMonitor), ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["postgresql.cnpg.io/v1/Cluster"] = typeof(PostgresCluster), ["rabbitmq.com/v1beta1/RabbitmqCluster"] = typeof(RabbitmqCluster),
    };

    public static string Folder => Path.Combine(TestServers.Root, "deploy", "k8s");

    /// <summary>A new reading each time: a test may spoil it.</summary>
    public static async Task<Overlay> ReadAsync(string name) => new(name, Read(await Rendered.GetOrAdd(name, RenderAsync)));

    public static IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Read(string yaml) =>
        [.. KubernetesYaml.LoadAllFromString(yaml, Kinds, strict: true).Cast<IKubernetesObject<V1ObjectMeta>>()];

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    public IEnumerable<Workload> Workloads => Objects.Select(Workload.Of).OfType<Workload>();

    private static async Task<string> RenderAsync(string name)
    {
        var kubectl = Path.Combine(TestServers.Root, ".dev", "tools", "kubectl");
        var (exit, said) = await Shell.RunAsync("\"$1\" kustomize \"$2\" 2>&1", null, File.Exists(kubectl) ? kubectl : "kubectl", Path.Combine(Folder, "overlays", name));
        Assert.True(exit == 0, said);
        Assert.DoesNotContain("deprecated", said, StringComparison.Ordinal);
        return said;
    }
}

/// <summary>Whatever makes pods, and the pods it makes.</summary>
internal sealed record Workload(IKubernetesObject<V1ObjectMeta> Owner, V1PodTemplateSpec Template, V1JobSpec? Job)
{
    public string Name => $"{Owner.Kind}/{Owner.Metadata.Name}";
    public V1PodSpec Pod => Template.Spec;
    public IDictionary<string, string> Labels => Template.Metadata?.Labels ?? new Dictionary<string, string>();
    public IEnumerable<V1Container> Containers => (Pod.InitContainers ?? []).Concat(Pod.Containers);
    public IEnumerable<V1Volume> Volumes => Pod.Volumes ?? [];
    public string? Component => Labels.TryGetValue("app.kubernetes.io/component", out var value) ? value : null;
    public string? Service => Labels.TryGetValue("app.kubernetes.io/name", out var value) ? value : null;

    public static Workload? Of(IKubernetesObject<V1ObjectMeta> one) => one switch
    {
        V1Deployment deployment => new(one, deployment.Spec.Template, null),
        V1StatefulSet set => new(one, set.Spec.Template, null),
        V1Job job => new(one, job.Spec.Template, job.Spec),
        V1CronJob cron => new(one, cron.Spec.JobTemplate.Spec.Template, cron.Spec.JobTemplate.Spec),
        _ => null,
    };
}
