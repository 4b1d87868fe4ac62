package consume

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portage-kafka/portage/events"
)

// Version is the release of this agent, compared with a directive's AtLeast.
const Version = "0.1"

// StartAt says where a group that has never committed begins on its home cluster.
type StartAt string

// Where to begin.
const (
	StartEarliest StartAt = "earliest"
	StartLatest   StartAt = "latest"
)

// Config configures a Core. All fields but the durations are required.
type Config struct {
	Group       string
	Topics      []string // by their names on the home cluster
	Home        string   // the name of the cluster that the group lives on without a migration
	Clusters    []string // every cluster name that the process can reach
	Instance    string   // the place of this process in the service; kept by a restart
	Incarnation string   // this process; never used again
	Host        string   // for people
	Start       StartAt  // earliest

	Commit  time.Duration // between commits of what is handled; 1 s
	Hold    time.Duration // how long a hold lasts whose directive does not say; 5 s
	Retry   time.Duration // before a failed step is tried again; 1 s
	Relogin time.Duration // before a failed login to a target is tried again; 30 s
}

// Validate fills in defaults and says what is wrong, naming the field and the fix.
func (c *Config) Validate() error {
	defaults(&c.Commit, time.Second)
	defaults(&c.Hold, 5*time.Second)
	defaults(&c.Retry, time.Second)
	defaults(&c.Relogin, 30*time.Second)
	if c.Start == "" {
		c.Start = StartEarliest
	}
	c.Topics = slices.Compact(slices.Sorted(slices.Values(c.Topics)))
	switch {
	case c.Group == "":
		return errors.New("field Group is empty: name the consumer group")
	case len(c.Topics) == 0 || c.Topics[0] == "":
		return errors.New("field Topics is empty or has an empty name: name the topics to consume, as the home cluster calls them")
	case c.Instance == "" || c.Incarnation == "":
		return errors.New("field Instance is empty: name the place of this process in the service, unique among its instances and kept by a restart")
	case !slices.Contains(c.Clusters, c.Home):
		return fmt.Errorf("field Home is %q, which is not among Clusters %q: add how to reach it", c.Home, c.Clusters)
	case c.Start != StartEarliest && c.Start != StartLatest:
		return fmt.Errorf("field Start is %q: want %q or %q", c.Start, StartEarliest, StartLatest)
	case c.Commit < 0 || c.Hold < 0 || c.Retry < 0 || c.Relogin < 0:
		return fmt.Errorf("a duration is negative: %v", []time.Duration{c.Commit, c.Hold, c.Retry, c.Relogin})
	}
	return nil
}

func defaults(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func (c *Config) knows(cluster string) bool { return slices.Contains(c.Clusters, cluster) }

func (c *Config) actor() events.Actor {
	return events.Actor{Kind: events.Agent, Name: c.Incarnation, Host: c.Host}
}
