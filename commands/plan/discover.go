package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster"
)

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
// topics go to the first one, for people to change. The error is a Problems, or
// what failed while asking.
func Draft(ctx context.Context, source Cluster, s Selection) (*Plan, error) {
	all, err := source.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the topics of %s: %w", source.Name(), err)
	}
	p := &Plan{Migration: s.Migration, Source: s.Source, Targets: s.Targets}
	names := s.Topics
	if len(names) == 0 {
		names = movable(all)
	}
	problems := p.add(names, slices.Sorted(maps.Keys(all)))
	groups, more, err := draftGroups(ctx, source, s.Groups, names)
	if err != nil {
		return nil, err
	}
	p.Groups, problems = groups, append(problems, more...)
	p.defaults()
	if err := append(problems, p.check()...).OrNil(); err != nil {
		return nil, err
	}
	return p, nil
}

// add puts topics into a draft; they must be among those of the source.
func (p *Plan) add(names, all []string) (problems Problems) {
	for i, name := range names {
		t := Topic{Name: name}
		if _, ok := slices.BinarySearch(all, name); !ok {
			problems = append(problems, p.problem(fmt.Sprintf("topics[%d].name", i), fmt.Sprintf("topic %q is not on %s", name, p.Source), meant(name, all)))
		}
		if len(p.Targets) > 1 {
			t.Target = p.Targets[0]
		}
		p.Topics = append(p.Topics, t)
	}
	return problems
}

// draftGroups are the named groups, which must be there, or all that read one of
// the topics.
func draftGroups(ctx context.Context, source Cluster, named, topics []string) ([]string, Problems, error) {
	if len(named) == 0 {
		return readers(ctx, source, topics, usual())
	}
	var problems Problems
	for i, name := range named {
		reads, err := GroupTopics(ctx, source, name)
		if err != nil && !errors.Is(err, ErrRebalancing) { // whoever rebalances has members
			return nil, nil, err
		}
		if len(reads) > 0 || err != nil {
			continue
		}
		reason, fix, err := unread(ctx, source, name)
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, Problem{Field: fmt.Sprintf("groups[%d]", i), Reason: reason, Fix: fix})
	}
	return named, problems, nil
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

// readers are the consumer groups that read one of the topics, sorted. One of
// which that cannot be told is a problem: it must not be left out in silence.
func readers(ctx context.Context, source Cluster, topics []string, p patience) (out []string, problems Problems, err error) {
	listed, err := source.Groups(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list the groups of %s: %w", source.Name(), err)
	}
	for _, l := range listed {
		if l.ProtocolType != "consumer" && l.ProtocolType != "" {
			continue
		}
		reads, err := groupTopics(ctx, source, l.Group, p)
		switch {
		case slices.ContainsFunc(reads, func(t string) bool { return slices.Contains(topics, t) }):
			out = append(out, l.Group)
		case errors.Is(err, ErrRebalancing):
			problems = append(problems, Problem{Field: "groups", Reason: fmt.Sprintf("what group %q on %s reads is not known: %v", l.Group, source.Name(), err), Fix: unsettled + ", or name the groups to move"})
		case err != nil:
			return nil, nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), problems, nil // a group that changes its coordinator may be listed by two brokers
}
