package deploy_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	exporterDir = "deploy/kubernetes/exporter/"
	authDir     = "deploy/kubernetes/authenticated/"
	auditDir    = "deploy/kubernetes/audit/"
)

// only returns the one document of a file.
func only[T any](t *testing.T, path string) T {
	t.Helper()
	all := documents[T](t, path)
	if len(all) != 1 {
		t.Fatalf("%s has %d documents", path, len(all))
	}
	return all[0]
}

// A kustomization names every manifest beside it, and no other file.
func TestKustomizations(t *testing.T) {
	for _, dir := range []string{exporterDir, authDir, auditDir} {
		k := only[kustomization](t, dir+"kustomization.yaml")
		named := []string{"kustomization.yaml"}
		for _, r := range k.Resources {
			if !strings.HasPrefix(r, "../") {
				named = append(named, r)
			}
		}
		for _, p := range k.Patches {
			named = append(named, p.Path)
		}
		for _, g := range slices.Concat(k.SecretGenerator, k.ConfigMapGenerator) {
			named = append(named, g.Files...)
		}
		var there []string
		for _, file := range glob(t, dir+"*") {
			there = append(there, path.Base(file))
		}
		slices.Sort(named)
		if !slices.Equal(named, there) {
			t.Errorf("%s names %v, and there are %v", dir, named, there)
		}
		if n := k.Namespace; k.Resources[0] == "namespace.yaml" && only[kind](t, dir+"namespace.yaml").Metadata.Name != n {
			t.Errorf("%s: the namespace is %s and another is made", dir, n)
		}
	}
}

func TestExporterManifestsAgree(t *testing.T) {
	d := only[deployment](t, exporterDir+"deployment.yaml")
	pod := d.Spec.Template
	selectors := map[string]labels{
		"the Deployment": d.Spec.Selector.MatchLabels,
		"the Service":    only[service](t, exporterDir+"service.yaml").Spec.Selector,
		"the budget":     only[disruptionBudget](t, exporterDir+"poddisruptionbudget.yaml").Spec.Selector.MatchLabels,
		"the policy":     only[networkPolicy](t, exporterDir+"networkpolicy.yaml").Spec.PodSelector.MatchLabels,
	}
	for i, c := range pod.Spec.TopologySpreadConstraints {
		selectors[fmt.Sprintf("spread %d", i)] = c.LabelSelector.MatchLabels
	}
	for who, s := range selectors {
		if len(s) == 0 || !s.matches(pod.Metadata.Labels) {
			t.Errorf("%s selects %v, the pods have %v", who, s, pod.Metadata.Labels)
		}
	}
	if only[job](t, auditDir+"job.yaml").Spec.Template.Metadata.Labels["app.kubernetes.io/component"] == "exporter" {
		t.Error("the Service would select the audit's pods")
	}

	c := pod.Spec.Containers[0]
	port := c.Ports[0]
	for _, p := range only[service](t, exporterDir+"service.yaml").Spec.Ports {
		if p.TargetPort != port.Name || p.Port != port.ContainerPort {
			t.Errorf("the Service's port %d leads to %s", p.Port, p.TargetPort)
		}
	}
	if in := only[networkPolicy](t, exporterDir+"networkpolicy.yaml").Spec.Ingress; in[0].Ports[0].Port != port.Name {
		t.Errorf("the policy opens port %s", in[0].Ports[0].Port)
	}
	for what, p := range map[string]*kubeProbe{"/-/ready": c.ReadinessProbe, "/-/healthy": c.LivenessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != what || p.HTTPGet.Port != port.Name {
			t.Errorf("no probe of %s: %+v", what, p)
		}
	}
	if !strings.HasSuffix(serveConfigs(t)[exporterDir+"configmap.yaml"].Listen[0], fmt.Sprintf(":%d", port.ContainerPort)) {
		t.Error("the configuration listens on another port")
	}
	checkMounts(t, pod.Spec, map[string]string{"/etc/gpreach/gpreach.yml": "config"})
}

// The overlay replaces every HTTP probe, which would have no password, and
// mounts the file that it names.
func TestAuthenticatedOverlay(t *testing.T) {
	c := only[deployment](t, authDir+"deployment.yaml").Spec.Template.Spec.Containers[0]
	base := only[deployment](t, exporterDir+"deployment.yaml").Spec.Template.Spec.Containers[0]
	if c.Name != base.Name || !slices.Equal(c.Args[:len(base.Args)], base.Args) {
		t.Errorf("the overlay is about %s with %v", c.Name, c.Args)
	}
	for _, p := range []*kubeProbe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if p == nil || p.Patch != "replace" || p.TCPSocket == nil || p.HTTPGet != nil {
			t.Errorf("a probe that needs a password: %+v", p)
		}
	}
	k := only[kustomization](t, authDir+"kustomization.yaml")
	pod := only[deployment](t, authDir+"deployment.yaml").Spec.Template.Spec
	if got := pod.Volumes[0].Secret.SecretName; got != k.SecretGenerator[0].Name {
		t.Errorf("the volume is of Secret %s, and %s is made", got, k.SecretGenerator[0].Name)
	}
	if mode := pod.Volumes[0].Secret.DefaultMode; mode != 0o440 {
		t.Errorf("the Secret has mode %o", mode)
	}
	if want := pod.volumeOf("web") + "/" + k.SecretGenerator[0].Files[0]; c.Args[len(c.Args)-1] != want {
		t.Errorf("serve reads %s, mounted is %s", c.Args[len(c.Args)-1], want)
	}
}

func TestAuditJob(t *testing.T) {
	j := only[job](t, auditDir+"job.yaml").Spec
	c := j.Template.Spec.Containers[0]
	if j.CompletionMode != "Indexed" || j.Template.Spec.RestartPolicy != "Never" {
		t.Errorf("the Job is %s, its pods restart %s", j.CompletionMode, j.Template.Spec.RestartPolicy)
	}
	if want := fmt.Sprintf("--shard=$(JOB_COMPLETION_INDEX)/%d", j.Completions); !slices.Contains(c.Args, want) {
		t.Errorf("%v lacks %s", c.Args, want)
	}
	if j.Parallelism > j.Completions || j.MaxFailedIndexes > j.Completions {
		t.Errorf("more pods or failures than %d parts", j.Completions)
	}
	for _, r := range j.PodFailurePolicy.Rules {
		if name := r.OnExitCodes.ContainerName; name != "" && name != c.Name {
			t.Errorf("a rule is about container %s", name)
		}
	}
	k := only[kustomization](t, auditDir+"kustomization.yaml")
	volumes := j.Template.Spec.Volumes
	if volumes[0].ConfigMap.Name != k.ConfigMapGenerator[0].Name ||
		volumes[1].PersistentVolumeClaim.ClaimName != only[claim](t, auditDir+"persistentvolumeclaim.yaml").Metadata.Name {
		t.Error("a volume is of something that is not made")
	}
	checkMounts(t, j.Template.Spec, map[string]string{"/etc/gpreach/" + k.ConfigMapGenerator[0].Files[0]: "hosts", "/results/": "results"})
}

// checkMounts checks that each path, which stands in the container's arguments,
// lies in the volume, and that all mounts are of volumes.
func checkMounts(t *testing.T, pod podSpec, paths map[string]string) {
	t.Helper()
	args := strings.Join(pod.Containers[0].Args, " ")
	for file, volume := range paths {
		if !strings.Contains(args, file) || !strings.HasPrefix(file, pod.volumeOf(volume)+"/") {
			t.Errorf("%s is not in volume %s, mounted at %q, or not in %s", file, volume, pod.volumeOf(volume), args)
		}
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v volume) bool { return v.Name == m.Name }) {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
}

// What the restricted pod security standard wants, and a read-only root.
func TestPodsAreRestricted(t *testing.T) {
	for file, pod := range map[string]podSpec{
		"deployment": only[deployment](t, exporterDir+"deployment.yaml").Spec.Template.Spec,
		"job":        only[job](t, auditDir+"job.yaml").Spec.Template.Spec,
	} {
		s, c := pod.SecurityContext, pod.Containers[0]
		if !s.RunAsNonRoot || s.RunAsUser == 0 || s.RunAsGroup == 0 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: the pod's %+v", file, s)
		}
		if c.SecurityContext.AllowPrivilegeEscalation == nil || *c.SecurityContext.AllowPrivilegeEscalation ||
			!c.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: the container's %+v", file, c.SecurityContext)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod gets a token of the cluster's", file)
		}
		if c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" {
			t.Errorf("%s: resources %+v", file, c.Resources)
		}
		if o := pod.DNSConfig.Options; len(o) != 1 || o[0].Name != "ndots" || o[0].Value != "1" {
			t.Errorf("%s: names are tried below the cluster's domains: %v", file, o)
		}
		if pod.TerminationGracePeriodSeconds < 10 {
			t.Errorf("%s is killed before it can tell what is known", file)
		}
	}
}

// The example for prometheus-operator has custom resources, whose fields are
// not checked beyond being YAML without a key that stands twice.
func TestOperatorExample(t *testing.T) {
	for _, d := range documents[map[string]any](t, "deploy/kubernetes/operator/scrapeconfig.yaml") {
		if d["kind"] == nil || d["apiVersion"] == nil || d["spec"] == nil {
			t.Errorf("no resource: %v", d)
		}
	}
}
