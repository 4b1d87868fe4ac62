package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// GroupTopics are the topics that a group reads: those it has committed
// offsets for and those its members subscribe to, sorted.
func GroupTopics(ctx context.Context, c Cluster, group string) ([]string, error) {
	topics := make(map[string]bool)
	offsets, err := c.Offsets(ctx, group, false, nil)
	if err != nil {
		return nil, fmt.Errorf("read the offsets of group %q on %s: %w", group, c.Name(), err)
	}
	for topic, parts := range offsets {
		for _, o := range parts {
			if o.At >= 0 {
				topics[topic] = true
			}
		}
	}
	g, err := c.DescribeGroup(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("describe group %q on %s: %w", group, c.Name(), err)
	}
	if g.ProtocolType == "consumer" {
		for _, m := range g.Members {
			var meta kmsg.ConsumerMemberMetadata
			if meta.ReadFrom(m.Metadata) == nil {
				for _, t := range meta.Topics {
					topics[t] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(topics)), nil
}

// Selection says what a drafted plan is to contain.
type Selection struct {
	Migration, Source string
	Targets           []string
	// Topics are the topics to move; none means all that are not internal.
	Topics []string
	// Groups are the groups to move; none means all that read one of the topics.
	Groups []string
}

// Draft writes a plan for what there is on the source. With several targets all
// topics go to the first one, for people to change.
func Draft(ctx context.Context, source Cluster, s Selection) (*Plan, error) {
	all, err := source.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the topics of %s: %w", source.Name(), err)
	}
	p := &Plan{Migration: s.Migration, Source: s.Source, Targets: s.Targets, Groups: s.Groups}
	names := s.Topics
	if len(names) == 0 {
		names = movable(all)
	}
	var problems Problems
	for i, name := range names {
		t := Topic{Name: name}
		if _, ok := all[name]; !ok {
			problems = append(problems, p.problem(fmt.Sprintf("topics[%d].name", i), fmt.Sprintf("topic %q is not on %s", name, source.Name()), nearest(name, slices.Sorted(maps.Keys(all)))))
		}
		if len(s.Targets) > 1 {
			t.Target = s.Targets[0]
		}
		p.Topics = append(p.Topics, t)
	}
	if len(s.Groups) == 0 {
		if p.Groups, err = readers(ctx, source, names); err != nil {
			return nil, err
		}
	}
	p.defaults()
	if err := append(problems, p.check()...).OrNil(); err != nil {
		return nil, err
	}
	return p, nil
}

// movable are the topics that are moved when nobody names any, sorted: not
// those of Kafka and portage, and none that begins like Kafka's own.
func movable(all map[string]cluster.Topic) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !all[name].Internal && !internal(name) && !strings.HasPrefix(name, "__") {
			names = append(names, name)
		}
	}
	return names
}

// readers are the consumer groups that read one of the topics, sorted.
func readers(ctx context.Context, source Cluster, topics []string) ([]string, error) {
	listed, err := source.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the groups of %s: %w", source.Name(), err)
	}
	var out []string
	for _, l := range listed {
		if l.ProtocolType != "consumer" && l.ProtocolType != "" {
			continue
		}
		reads, err := GroupTopics(ctx, source, l.Group)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(reads, func(t string) bool { return slices.Contains(topics, t) }) {
			out = append(out, l.Group)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil // a group that changes its coordinator may be listed by two brokers
}

// nearest suggests the one of sorted names that is closest to a mistyped one.
func nearest(name string, all []string) string {
	best, least := "", len(name)/2+1
	for _, candidate := range all {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return "mend its name, or leave it out"
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the Levenshtein distance of two names, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
