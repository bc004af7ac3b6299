using System.Text.RegularExpressions;
using k8s.Models;

namespace OpenReadings.PlatformTests.Kubernetes;

/// <summary>What must hold for every overlay. Each complaint names the object; none means that all is well.</summary>
internal static partial class Rules
{
    public static IEnumerable<string> Of(Overlay overlay, IReadOnlyDictionary<string, IReadOnlySet<string>> secrets) =>
        overlay.Workloads.SelectMany(workload => OfPod(workload).Concat(OfMounts(workload, overlay, secrets)).Concat(OfLife(workload, overlay)))
            .Concat(OfServices(overlay)).Concat(OfNetwork(overlay)).Concat(OfSecrets(overlay)).Concat(OfPlace(overlay));

    private static IEnumerable<string> OfPod(Workload it)
    {
        var pod = it.Pod;
        if (pod.SecurityContext is not { RunAsNonRoot: true, RunAsUser: > 0 }) yield return $"{it.Name} may run as root.";
        if (pod.SecurityContext?.SeccompProfile?.Type != "RuntimeDefault") yield return $"{it.Name} may make any system call.";
        if (pod.AutomountServiceAccountToken != false) yield return $"{it.Name} is given a token for the cluster.";
        if (pod.EnableServiceLinks != false) yield return $"{it.Name} is told of every service in its environment.";
        if (pod.HostNetwork == true || pod.HostPID == true || pod.HostIPC == true) yield return $"{it.Name} sees the node.";
        if (it.Volumes.Any(volume => volume.HostPath is not null)) yield return $"{it.Name} mounts the node's files.";
        foreach (var container in it.Containers)
        {
            var (name, security) = ($"{it.Name}/{container.Name}", container.SecurityContext);
            if (security?.AllowPrivilegeEscalation != false || security.Privileged == true) yield return $"{name} may gain privileges.";
            if (security?.ReadOnlyRootFilesystem != true) yield return $"{name} may write its own files.";
            if (security?.Capabilities?.Drop?.Contains("ALL") != true || security.Capabilities.Add?.Count > 0) yield return $"{name} keeps capabilities.";
            if (!Pinned().IsMatch(container.Image ?? "")) yield return $"{name} has no fixed image: {container.Image}.";
            if (container.Resources?.Requests is not { } wants || !wants.ContainsKey("cpu") || !wants.ContainsKey("memory")) yield return $"{name} asks for nothing.";
            if (container.Resources?.Limits?.ContainsKey("memory") != true) yield return $"{name} has no limit of memory.";
            foreach (var given in container.Env ?? [])
                if (given.Value is { Length: > 0 } && Confidential().IsMatch(given.Name) && !given.Value.StartsWith('/')) yield return $"{name} is told {given.Name} in the open.";
        }
    }

    // A script may run in some places only: whoever waits for scripts must mean the place where they are brought to.
    private static IEnumerable<string> OfPlace(Overlay overlay)
    {
        static string PlaceOf(V1Container container) => container.Env?.FirstOrDefault(given => given.Name == "MIGRATE_ENV")?.Value ?? "prod";
        var brought = overlay.Workloads.Where(it => it.Job is not null).SelectMany(it => it.Pod.Containers).Where(one => one.Args?.Contains("up") == true).Select(PlaceOf).ToHashSet();
        return overlay.Workloads.SelectMany(it => it.Containers.Where(one => one.Args?.Contains("--for-schema") == true && !brought.SetEquals([PlaceOf(one)]))
            .Select(_ => $"{it.Name} waits for the scripts of another place than they are brought to."));
    }

    // Whoever serves is looked at and drained; whoever works comes to an end.
    private static IEnumerable<string> OfLife(Workload it, Overlay overlay)
    {
        if (it.Job is { } job)
        {
            if (job.ActiveDeadlineSeconds is null || job.BackoffLimit is null) yield return $"{it.Name} may go on for ever.";
            if (job.TtlSecondsAfterFinished is null != IsHook(it.Owner)) yield return $"{it.Name} is kept for ever, or taken from under a hook.";
            if (job.PodFailurePolicy is not null && it.Pod.RestartPolicy != "Never") yield return $"{it.Name} has a policy for failures that needs restartPolicy Never.";
            yield break;
        }
        foreach (var container in it.Pod.Containers)
            if (container.StartupProbe is null || container.ReadinessProbe is null || container.LivenessProbe is null) yield return $"{it.Name}/{container.Name} is not looked at.";
        if (it.Component is not ("api" or "edge")) yield break;
        if (it.Pod.Containers.Any(container => container.Lifecycle?.PreStop is null) || it.Pod.TerminationGracePeriodSeconds is not >= 45) yield return $"{it.Name} does not drain.";
        if (it.Pod.TopologySpreadConstraints is not { Count: > 0 }) yield return $"{it.Name} may be on one node.";
        if (!overlay.All<V2HorizontalPodAutoscaler>().Any(scaler => scaler.Spec.ScaleTargetRef.Kind == it.Owner.Kind && scaler.Spec.ScaleTargetRef.Name == it.Owner.Metadata.Name))
            yield return $"{it.Name} is not scaled.";
        if (overlay.All<V1PodDisruptionBudget>().Count(budget => Selects(budget.Spec.Selector, it.Labels)) != 1) yield return $"{it.Name} has not one disruption budget.";
    }

    private static IEnumerable<string> OfMounts(Workload it, Overlay overlay, IReadOnlyDictionary<string, IReadOnlySet<string>> secrets)
    {
        var volumes = it.Volumes.ToDictionary(volume => volume.Name);
        foreach (var volume in it.Volumes)
        {
            if (volume.ConfigMap is { } map && !overlay.All<V1ConfigMap>().Any(one => one.Metadata.Name == map.Name)) yield return $"{it.Name} mounts a ConfigMap that is not there: {map.Name}.";
            if (volume.PersistentVolumeClaim is { } claim && !overlay.All<V1PersistentVolumeClaim>().Any(one => one.Metadata.Name == claim.ClaimName))
                yield return $"{it.Name} mounts a claim that is not there: {claim.ClaimName}.";
            if (volume.Secret is not { SecretName: var secret }) continue;
            if (!secrets.ContainsKey(secret)) yield return $"{it.Name} mounts a Secret that make-secrets.sh does not make: {secret}.";
            // Who owns tables, and who is superuser, is known where it is needed and nowhere else.
            if (secret.EndsWith("-migrate", StringComparison.Ordinal) && (it.Job is null || it.Component != "migration" || secret != $"{it.Service}-migrate"))
                yield return $"{it.Name} is given the owner's password of {secret}.";
            if (secret is "ops" && it.Component != "operations") yield return $"{it.Name} is given the operator's passwords.";
            if (secret is "bootstrap" && it.Service is not ("bootstrap" or "postgresql")) yield return $"{it.Name} is given the superuser's password.";
            if (it.Component == "api" && secret != it.Service) yield return $"{it.Name} is given the secrets of {secret}.";
        }
        var keeps = it.Owner is V1StatefulSet || it.Volumes.Any(volume => volume.PersistentVolumeClaim is not null);
        if (keeps && it.Pod.SecurityContext is { FsGroup: not null, FsGroupChangePolicy: not "OnRootMismatch" }) yield return $"{it.Name} opens all that it keeps with each start.";
        foreach (var container in it.Containers)
        {
            // A set is gathered, and restored, in a temporary folder as large as the databases.
            var room = container.VolumeMounts?.Where(mount => mount.MountPath == "/tmp").Select(mount => volumes.GetValueOrDefault(mount.Name)).FirstOrDefault();
            if (container.Args is ["backup", "run", ..] or ["drill", ..] && room is not { Ephemeral: not null } && !(room?.EmptyDir?.SizeLimit?.ToDecimal() >= 50m * (1 << 30)))
                yield return $"{it.Name}/{container.Name} has no room for a set.";
            foreach (var mount in container.VolumeMounts ?? [])
            {
                if (!volumes.TryGetValue(mount.Name, out var volume) && !(it.Owner is V1StatefulSet set && set.Spec.VolumeClaimTemplates.Any(claim => claim.Metadata.Name == mount.Name)))
                    yield return $"{it.Name}/{container.Name} mounts a volume that is not there: {mount.Name}.";
                if (volume?.Secret is { } secret && mount.SubPath is { } key && secrets.TryGetValue(secret.SecretName, out var keys) && !keys.Contains(key))
                    yield return $"{it.Name}/{container.Name} mounts a key that is not there: {key}.";
            }
            foreach (var from in container.EnvFrom ?? [])
                if (!overlay.All<V1ConfigMap>().Any(map => map.Metadata.Name == from.ConfigMapRef?.Name)) yield return $"{it.Name}/{container.Name} takes settings from what is not there.";
        }
    }

    private static IEnumerable<string> OfServices(Overlay overlay)
    {
        foreach (var service in overlay.All<V1Service>())
        {
            var behind = overlay.Workloads.Where(it => service.Spec.Selector.All(label => it.Labels.TryGetValue(label.Key, out var value) && value == label.Value)).ToList();
            if (behind.Count != 1) yield return $"Service/{service.Metadata.Name} leads to {behind.Count} workloads.";
            foreach (var port in service.Spec.Ports)
                if (!behind.All(it => it.Containers.Any(container => container.Ports?.Any(one => one.Name == port.TargetPort.Value) == true))) yield return $"Service/{service.Metadata.Name} leads to no port {port.TargetPort.Value}.";
        }
        foreach (var scaler in overlay.All<V2HorizontalPodAutoscaler>())
            if (!overlay.All<V1Deployment>().Any(one => one.Metadata.Name == scaler.Spec.ScaleTargetRef.Name && one.Spec.Replicas is null)) yield return $"HorizontalPodAutoscaler/{scaler.Metadata.Name} scales nothing, or against somebody.";
        foreach (var monitor in overlay.All<ServiceMonitor>())
            if (!overlay.All<V1Service>().Any(service => Selects(monitor.Spec.Selector, service.Metadata.Labels) && monitor.Spec.Endpoints.All(end => service.Spec.Ports.Any(port => port.Name == end.Port))))
                yield return $"ServiceMonitor/{monitor.Metadata.Name} finds no service.";
    }

    private static IEnumerable<string> OfNetwork(Overlay overlay)
    {
        var policies = overlay.All<V1NetworkPolicy>().ToList();
        if (!policies.Any(policy => policy.Spec.PodSelector is { MatchLabels: null or { Count: 0 }, MatchExpressions: null or { Count: 0 } }
            && policy.Spec.PolicyTypes.Count == 2 && policy.Spec.Ingress is null or { Count: 0 } && policy.Spec.Egress is null or { Count: 0 }))
            yield return "Nothing denies what nobody allowed.";
        var operated = overlay.All<Custom>().Any(one => one is PostgresCluster or RabbitmqCluster);
        foreach (var policy in policies)
        {
            var servers = policy.Spec.PodSelector.MatchLabels?.ContainsKey("openreadings/server") == true;
            if (!(servers && operated) && !overlay.Workloads.Any(it => Selects(policy.Spec.PodSelector, it.Labels))) yield return $"NetworkPolicy/{policy.Metadata.Name} is about no pod.";
        }
    }

    private static IEnumerable<string> OfSecrets(Overlay overlay)
    {
        // ./dev seed makes people up where the issuer is this machine: what others can reach must not call itself that.
        foreach (var settings in overlay.All<V1ConfigMap>().Where(map => map.Data?.ContainsKey("Identity__Issuer") == true))
            if (overlay.Name != "dev" && new Uri(settings.Data["Identity__Issuer"]).IsLoopback) yield return $"ConfigMap/{settings.Metadata.Name} has an issuer of this machine.";
        foreach (var secret in overlay.All<V1Secret>()) yield return $"Secret/{secret.Metadata.Name} is in the manifests.";
        foreach (var one in overlay.Objects.Where(one => one is not V1Namespace && one.Metadata.NamespaceProperty != "openreadings")) yield return $"{one.Kind}/{one.Metadata.Name} is in no namespace of ours.";
    }

    /// <summary>Whether the network lets a pod with these labels reach another of the same namespace on a port.</summary>
    public static bool Reaches(Overlay overlay, IDictionary<string, string> from, IDictionary<string, string> to, int port)
    {
        bool Lets(IDictionary<string, string> one, IDictionary<string, string> other, bool egress)
        {
            var type = egress ? "Egress" : "Ingress";
            var about = overlay.All<V1NetworkPolicy>().Where(policy => policy.Spec.PolicyTypes.Contains(type) && Selects(policy.Spec.PodSelector, one)).ToList();
            return about.Count == 0 || about.Any(policy => egress
                ? policy.Spec.Egress?.Any(rule => Peers(rule.To, other) && Ports(rule.Ports)) == true
                : policy.Spec.Ingress?.Any(rule => Peers(rule.FromProperty, other) && Ports(rule.Ports)) == true);
        }
        bool Ports(IList<V1NetworkPolicyPort>? ports) => ports is null || ports.Any(one => one.Port?.Value == $"{port}");
        return Lets(from, to, egress: true) && Lets(to, from, egress: false);

        static bool Peers(IList<V1NetworkPolicyPeer>? peers, IDictionary<string, string> other) => peers is null || peers.Any(peer =>
            peer.IpBlock is null && peer.NamespaceSelector is null or { MatchLabels: null, MatchExpressions: null } && Selects(peer.PodSelector, other));
    }

    public static bool IsHook(k8s.IKubernetesObject<V1ObjectMeta> one) =>
        one.Metadata.Annotations?.Keys.Any(key => key is "helm.sh/hook" or "argocd.argoproj.io/hook") == true;

    private static bool Selects(V1LabelSelector? selector, IDictionary<string, string>? labels) => selector is not null
        && (selector.MatchLabels ?? new Dictionary<string, string>()).All(label => labels?.TryGetValue(label.Key, out var value) == true && value == label.Value)
        && (selector.MatchExpressions ?? []).All(one => one.OperatorProperty == "In" && labels?.TryGetValue(one.Key, out var value) == true && one.Values.Contains(value));

    [GeneratedRegex(@"^[^:@]+(/[^:@]+)*(:(?!latest$)[A-Za-z0-9_][\w.-]*|@sha256:[0-9a-f]{64})$")]
    private static partial Regex Pinned();

    [GeneratedRegex("password|secret|token|key|connectionstring", RegexOptions.IgnoreCase)]
    private static partial Regex Confidential();
}
