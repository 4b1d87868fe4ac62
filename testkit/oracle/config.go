package oracle

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/testkit/workload"
)

// ErrConfig is what Judge refuses; the text names field, value and remedy.
var ErrConfig = errors.New("oracle: config")

// Config says what to judge.
type Config struct {
	// Run is the workload's run.
	Run string
	// Source and Target are the clusters, by the names in the journals. Source may be left out when it is gone: then
	// records are not compared with the source's.
	Source, Target workload.ClusterConfig
	// Topics and Groups are what was migrated.
	Topics []Topic
	Groups []Group
	// Entries are all journals.
	Entries []workload.Entry
	// Excused are handler entries whose records may be handled again by their group.
	Excused []workload.Entry
	// Switches are the intervals to measure pauses in.
	Switches []Switch
	// Examples is how many examples a finding keeps; default 5.
	Examples int
}

// Topic is a migrated topic.
type Topic struct {
	Name      string // on the source, and in the report
	Target    string // on the target; default Name
	Compacted bool   // cleanup.policy contains compact, on either side
}

// target is the topic's name on the target.
func (t Topic) target() string {
	if t.Target == "" {
		return t.Name
	}
	return t.Target
}

// Group is a consumer group that has to handle every record of its topics.
type Group struct {
	Name   string
	Topics []string // by their names on the source
}

// Switch is the time during which a group crossed, in a journal's time (workload.Journal.Now and At).
type Switch struct {
	Group    string
	From, To int64
}

// Validate says what is wrong with the config.
func (c Config) Validate() error {
	if c.Run == "" || len(c.Topics) == 0 {
		return fmt.Errorf("%w: Run is %q and Topics has %d: name both", ErrConfig, c.Run, len(c.Topics))
	}
	if err := c.Target.Validate(); err != nil {
		return fmt.Errorf("%w: Target: %w", ErrConfig, err)
	}
	if c.Source.Name == c.Target.Name {
		return fmt.Errorf("%w: Source and Target are both named %q", ErrConfig, c.Target.Name)
	}
	var topics, groups []string
	for _, t := range c.Topics {
		topics = append(topics, t.Name)
	}
	for _, g := range c.Groups {
		groups = append(groups, g.Name)
		for _, t := range g.Topics {
			if !slices.Contains(topics, t) {
				return fmt.Errorf("%w: group %s reads %q, which is not among Topics %v", ErrConfig, g.Name, t, topics)
			}
		}
	}
	for _, s := range c.Switches {
		if !slices.Contains(groups, s.Group) || s.To < s.From {
			return fmt.Errorf("%w: switch of group %q from %d to %d: name one of Groups %v and let it end after it begins", ErrConfig, s.Group, s.From, s.To, groups)
		}
	}
	return nil
}

// side says whether a cluster is the target (or else the source, or neither).
func (c Config) side(cluster string) (side, bool) {
	switch cluster {
	case c.Target.Name:
		return target, true
	case c.Source.Name:
		return source, c.Source.Name != ""
	}
	return source, false
}

// topic finds a topic by its name on a side.
func (c Config) topic(s side, name string) (int, bool) {
	i := slices.IndexFunc(c.Topics, func(t Topic) bool { return s == source && t.Name == name || s == target && t.target() == name })
	return i, i >= 0
}

// side is one of the two logs.
type side int

const (
	source side = iota
	target
)
