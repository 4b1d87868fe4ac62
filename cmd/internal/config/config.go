// Package config reads portage's configuration file: how to reach each cluster
// by its name, and which of them holds the control topics.
//
//	control: new                    # the cluster of the control topics; never the source
//	clusters:
//	  old:
//	    bootstrap: [kafka-1:9092, kafka-2:9092]
//	    tls: {ca: /etc/ssl/kafka-ca.pem}
//	    sasl: {mechanism: SCRAM-SHA-512, username: portage, password: env:OLD_PASSWORD}
//	  new:
//	    properties: /etc/kafka/client.properties   # a Java client's file instead
//	data: /var/lib/portage          # the projections of `portage serve` and of the command line; default: the user's cache folder
//	listen: 127.0.0.1:8080          # metrics and health of `portage serve`; workers take --listen
//
// Secrets are given by reference (env:NAME, file:PATH); see package
// cluster/auth. Amazon MSK takes IAM identities with tls: {} and sasl:
// {mechanism: aws-msk-iam}; see package cluster/auth/msk.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
)

// Config is the configuration file.
type Config struct {
	Control  string             `yaml:"control"`
	Clusters map[string]Cluster `yaml:"clusters"`
	// Data is the folder of the projections.
	Data string `yaml:"data"`
	// Listen is the address of metrics and health of `portage serve`; empty for
	// none. Several workers may run beside it, so they take theirs by flag.
	Listen string `yaml:"listen"`

	// Path is where the file was read from.
	Path string `yaml:"-"`
}

// Cluster is one cluster: its settings, or a Java client's properties file.
type Cluster struct {
	Properties     string `yaml:"properties,omitempty"`
	cluster.Config `yaml:",inline"`
}

// Name is the file's default name.
const Name = "portage.yaml"

// Load reads the file at path. An empty path means $PORTAGE_CONFIG, else
// portage.yaml in the working folder.
func Load(path string) (*Config, error) {
	if path == "" {
		path = os.Getenv("PORTAGE_CONFIG")
	}
	if path == "" {
		path = Name
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no configuration at %s: write one (`portage init --help` shows its form), or name it with --config or PORTAGE_CONFIG", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(raw, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.Path = path
	return c, nil
}

// Parse reads a configuration; relative paths of properties files are below dir.
func Parse(raw []byte, dir string) (*Config, error) {
	c := &Config{}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(c); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: name the clusters, and with control: the one of the control topics")
	} else if err != nil {
		return nil, inWords(err)
	}
	if len(c.Clusters) == 0 {
		return nil, errors.New("clusters: missing: name at least a source and a target")
	}
	if _, ok := c.Clusters[c.Control]; !ok {
		return nil, fmt.Errorf("control: %q is not among the clusters (%s)", c.Control, strings.Join(c.Names(), ", "))
	}
	for _, name := range c.Names() {
		if !events.ValidName(name) {
			return nil, fmt.Errorf("clusters: %q is no name for a cluster: use letters, digits, '.', '_' and '-', at most 100, not beginning with a dot", name)
		}
		resolved, err := c.Clusters[name].resolve(dir)
		if err != nil {
			return nil, fmt.Errorf("clusters.%s: %w", name, err)
		}
		c.Clusters[name] = resolved
	}
	if c.Data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		c.Data = filepath.Join(cache, "portage")
	}
	return c, nil
}

// Names are the clusters' names, sorted.
func (c *Config) Names() []string { return slices.Sorted(maps.Keys(c.Clusters)) }

// Cluster finds a cluster by its name; the error names those that there are.
func (c *Config) Cluster(name string) (Cluster, error) {
	if found, ok := c.Clusters[name]; ok {
		return found, nil
	}
	meant := ""
	if near, ok := plan.Nearest(name, c.Names()); ok {
		meant = fmt.Sprintf(": did you mean %q?", near)
	}
	return Cluster{}, fmt.Errorf("cluster %q is not in %s, which has %s%s", name, c.Path, strings.Join(c.Names(), ", "), meant)
}

func (c Cluster) resolve(dir string) (Cluster, error) {
	if c.Properties != "" {
		if len(c.Bootstrap) > 0 {
			return c, errors.New("properties and bootstrap exclude each other: keep one")
		}
		path := c.Properties
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		f, err := os.Open(path)
		if err != nil {
			return c, err
		}
		defer f.Close()
		if c.Config, err = cluster.FromProperties(f); err != nil {
			return c, fmt.Errorf("%s: %w", path, err)
		}
	}
	c.SASL = withLogin(c.SASL)
	return c, c.Validate()
}
