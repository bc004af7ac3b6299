using k8s;
using k8s.Models;

namespace OpenReadings.PlatformTests.Kubernetes;

/// <summary>
/// The fields of the operators' own kinds that we use, after their public API references (Prometheus Operator v1,
/// CloudNativePG v1, RabbitMQ Cluster Operator v1beta1). A field that is not here is refused.
/// </summary>
internal abstract class Custom : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
}

internal sealed class ServiceMonitor : Custom
{
    public SpecOf Spec { get; set; } = new();

    internal sealed class SpecOf
    {
        public V1LabelSelector Selector { get; set; } = new();
        public IList<Endpoint> Endpoints { get; set; } = [];
    }

    internal sealed class Endpoint
    {
        public string Port { get; set; } = "";
        public string Path { get; set; } = "";
        public string Interval { get; set; } = "";
        public string ScrapeTimeout { get; set; } = "";
        public bool HonorLabels { get; set; }
    }
}

internal sealed class PrometheusRule : Custom
{
    public SpecOf Spec { get; set; } = new();

    internal sealed class SpecOf
    {
        public IList<Group> Groups { get; set; } = [];
    }

    internal sealed class Group
    {
        public string Name { get; set; } = "";
        public IList<Rule> Rules { get; set; } = [];
    }

    internal sealed class Rule
    {
        public string Alert { get; set; } = "";
        public string Expr { get; set; } = "";
        public string? For { get; set; }
        public IDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();
        public IDictionary<string, string> Annotations { get; set; } = new Dictionary<string, string>();
    }
}

internal sealed class PostgresCluster : Custom
{
    public SpecOf Spec { get; set; } = new();

    internal sealed class SpecOf
    {
        public int Instances { get; set; }
        public string ImageName { get; set; } = "";
        public bool EnableSuperuserAccess { get; set; }
        public V1LocalObjectReference? SuperuserSecret { get; set; }
        public EmbeddedMetadata? InheritedMetadata { get; set; }
        public BootstrapOf? Bootstrap { get; set; }
        public int MinSyncReplicas { get; set; }
        public int MaxSyncReplicas { get; set; }
        public PostgresConfiguration? Postgresql { get; set; }
        public V1ResourceRequirements? Resources { get; set; }
        public StorageOf? Storage { get; set; }
        public StorageOf? WalStorage { get; set; }
        public AffinityOf? Affinity { get; set; }
    }

    internal sealed class EmbeddedMetadata
    {
        public IDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();
    }

    internal sealed class BootstrapOf
    {
        public InitDb? Initdb { get; set; }
    }

    internal sealed class InitDb
    {
        public bool DataChecksums { get; set; }
        public string? Encoding { get; set; }
        public string? LocaleCollate { get; set; }
        public string? LocaleCType { get; set; }
    }

    internal sealed class PostgresConfiguration
    {
        public IDictionary<string, string> Parameters { get; set; } = new Dictionary<string, string>();
    }

    internal sealed class StorageOf
    {
        public string Size { get; set; } = "";
    }

    internal sealed class AffinityOf
    {
        public bool EnablePodAntiAffinity { get; set; }
        public string? TopologyKey { get; set; }
        public string? PodAntiAffinityType { get; set; }
    }
}

internal sealed class RabbitmqCluster : Custom
{
    public SpecOf Spec { get; set; } = new();

    internal sealed class SpecOf
    {
        public int Replicas { get; set; }
        public string Image { get; set; } = "";
        public PersistenceOf? Persistence { get; set; }
        public V1ResourceRequirements? Resources { get; set; }
        public long TerminationGracePeriodSeconds { get; set; }
        public ConfigurationOf? Rabbitmq { get; set; }
        public OverrideOf? Override { get; set; }
    }

    internal sealed class PersistenceOf
    {
        public string Storage { get; set; } = "";
    }

    internal sealed class ConfigurationOf
    {
        public string AdditionalConfig { get; set; } = "";
    }

    internal sealed class OverrideOf
    {
        public StatefulSetOf? StatefulSet { get; set; }
    }

    internal sealed class StatefulSetOf
    {
        public StatefulSetSpecOf? Spec { get; set; }
    }

    internal sealed class StatefulSetSpecOf
    {
        public V1PodTemplateSpec? Template { get; set; }
    }
}
