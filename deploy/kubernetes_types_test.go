package deploy_test

// The manifests are decoded into what Kubernetes' documentation says of the
// fields that are used here, so that a misspelt one is an error.
type (
	labels   map[string]string
	selector struct {
		MatchLabels labels `yaml:"matchLabels"`
	}
	meta struct {
		Name, Namespace string
		Labels          labels
	}
	kubeProbe struct {
		Patch            string                       `yaml:"$patch"`
		HTTPGet          *struct{ Path, Port string } `yaml:"httpGet"`
		TCPSocket        *struct{ Port string }       `yaml:"tcpSocket"`
		PeriodSeconds    int                          `yaml:"periodSeconds"`
		FailureThreshold int                          `yaml:"failureThreshold"`
	}
	container struct {
		Name, Image string
		Args        []string
		Ports       []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		Env             []struct{ Name, Value string }
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		StartupProbe   *kubeProbe `yaml:"startupProbe"`
		ReadinessProbe *kubeProbe `yaml:"readinessProbe"`
		LivenessProbe  *kubeProbe `yaml:"livenessProbe"`
		VolumeMounts   []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	podSpec struct {
		DNSConfig struct {
			Options []struct{ Name, Value string }
		} `yaml:"dnsConfig"`
		AutomountServiceAccountToken  *bool  `yaml:"automountServiceAccountToken"`
		TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
		RestartPolicy                 string `yaml:"restartPolicy"`
		SecurityContext               struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			FSGroup        int                   `yaml:"fsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		TopologySpreadConstraints []struct {
			MaxSkew           int      `yaml:"maxSkew"`
			TopologyKey       string   `yaml:"topologyKey"`
			WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
			LabelSelector     selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []volume
	}
	volume struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
		PersistentVolumeClaim struct {
			ClaimName string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
	podTemplate struct {
		Metadata meta
		Spec     podSpec
	}
)

type (
	kind struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
	}
	deployment struct {
		kind `yaml:",inline"`
		Spec struct {
			Replicas int
			Selector selector
			Strategy struct {
				Type          string
				RollingUpdate struct {
					MaxSurge       int `yaml:"maxSurge"`
					MaxUnavailable int `yaml:"maxUnavailable"`
				} `yaml:"rollingUpdate"`
			}
			Template podTemplate
		}
	}
	service struct {
		kind `yaml:",inline"`
		Spec struct {
			Selector labels
			Ports    []struct {
				Name       string
				Port       int
				TargetPort string `yaml:"targetPort"`
				Protocol   string
			}
		}
	}
	configMap struct {
		kind `yaml:",inline"`
		Data map[string]string
	}
	disruptionBudget struct {
		kind `yaml:",inline"`
		Spec struct {
			MaxUnavailable int `yaml:"maxUnavailable"`
			Selector       selector
		}
	}
	policyPeer struct {
		NamespaceSelector *selector `yaml:"namespaceSelector"`
		IPBlock           *struct {
			CIDR   string
			Except []string
		} `yaml:"ipBlock"`
	}
	policyPort struct {
		Port     string
		EndPort  int `yaml:"endPort"`
		Protocol string
	}
	networkPolicy struct {
		kind `yaml:",inline"`
		Spec struct {
			PodSelector selector `yaml:"podSelector"`
			PolicyTypes []string `yaml:"policyTypes"`
			Ingress     []struct {
				From  []policyPeer
				Ports []policyPort
			}
			Egress []struct {
				To    []policyPeer
				Ports []policyPort
			}
		}
	}
	claim struct {
		kind `yaml:",inline"`
		Spec struct {
			AccessModes []string `yaml:"accessModes"`
			Resources   struct{ Requests map[string]string }
		}
	}
	job struct {
		kind `yaml:",inline"`
		Spec struct {
			CompletionMode          string `yaml:"completionMode"`
			Completions             int
			Parallelism             int
			BackoffLimitPerIndex    int `yaml:"backoffLimitPerIndex"`
			MaxFailedIndexes        int `yaml:"maxFailedIndexes"`
			TTLSecondsAfterFinished int `yaml:"ttlSecondsAfterFinished"`
			PodFailurePolicy        struct {
				Rules []struct {
					Action      string
					OnExitCodes struct {
						ContainerName string `yaml:"containerName"`
						Operator      string
						Values        []int
					} `yaml:"onExitCodes"`
					OnPodConditions []struct{ Type, Status string } `yaml:"onPodConditions"`
				}
			} `yaml:"podFailurePolicy"`
			Template podTemplate
		}
	}
	kustomization struct {
		kind      `yaml:",inline"`
		Namespace string
		Resources []string
		Images    []struct {
			Name   string
			NewTag string `yaml:"newTag"`
		}
		Patches            []struct{ Path string }
		GeneratorOptions   struct{ Labels labels } `yaml:"generatorOptions"`
		SecretGenerator    []generator             `yaml:"secretGenerator"`
		ConfigMapGenerator []generator             `yaml:"configMapGenerator"`
	}
	generator struct {
		Name  string
		Files []string
	}
)

// matches reports whether a pod of these labels is selected.
func (s labels) matches(pod labels) bool {
	for key, value := range s {
		if pod[key] != value {
			return false
		}
	}
	return true
}

// volumeOf returns where the first container mounts a volume, or "".
func (p podSpec) volumeOf(name string) string {
	for _, m := range p.Containers[0].VolumeMounts {
		if m.Name == name {
			return m.MountPath
		}
	}
	return ""
}
