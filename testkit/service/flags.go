package main

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/workload"
)

// common are the flags of both kinds of service.
type common struct {
	config, home, instance, journal string
}

func (c *common) register(f *flag.FlagSet) {
	f.StringVar(&c.config, "config", "portage.yaml", "portage's configuration, for the clusters")
	f.StringVar(&c.home, "home", "source", "cluster that the service lives on without a migration")
	f.StringVar(&c.instance, "instance", "", "place of this process in the service, kept by a restart")
	f.StringVar(&c.journal, "journal", "", "file to keep the journal in")
}

// parse reads flags; nothing may stand behind them.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%s: %q is no flag", f.Name(), f.Arg(0))
	}
	return nil
}

// seed is a number that a name always has, and hardly any other.
func seed(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()
}

// open reads the clusters and opens the journal.
func (c *common) open() (clusters, *workload.Journal, error) {
	if c.instance == "" || c.journal == "" {
		return clusters{}, nil, errors.New("--instance and --journal are required")
	}
	all, err := readClusters(c.config)
	if err != nil {
		return clusters{}, nil, err
	}
	j, err := workload.OpenJournal(c.journal)
	return all, j, err
}

// clusters is what a service needs of portage's configuration.
type clusters struct {
	Control  string                    `yaml:"control"`
	Clusters map[string]cluster.Config `yaml:"clusters"`
}

func readClusters(path string) (clusters, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return clusters{}, fmt.Errorf("read the clusters: %w", err)
	}
	var c clusters
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return clusters{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// list is a flag that may be given more than once.
type list []string

// String shows the flag's default.
func (l *list) String() string { return strings.Join(*l, ", ") }

// Set adds a value.
func (l *list) Set(v string) error {
	*l = append(*l, v)
	return nil
}

// group is a value of --group.
type group struct {
	name   string
	topics []string
}

func parseGroups(l list) ([]group, error) {
	if len(l) == 0 {
		return nil, errors.New("--group is required, as NAME=TOPIC,TOPIC")
	}
	var out []group
	for _, v := range l {
		name, topics, ok := strings.Cut(v, "=")
		if !ok || name == "" || topics == "" {
			return nil, fmt.Errorf("--group %q: want NAME=TOPIC,TOPIC", v)
		}
		out = append(out, group{name, strings.Split(topics, ",")})
	}
	return out, nil
}
