package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cmd/internal/config"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
)

// What a cluster is to portage, in the words of the list of privileges.
const (
	everyCluster   = "every cluster"
	sourceCluster  = "source"
	targetCluster  = "target"
	controlCluster = "control"
)

// privilege is what portage must be allowed on one kind of resource.
type privilege struct {
	On string `json:"on"` // which clusters
	// Resource is cluster, topic or group. Prefix is how their names begin; empty
	// for those that move.
	Resource   string   `json:"resource"`
	Prefix     string   `json:"prefix,omitempty"`
	Operations []string `json:"operations"` // as kafka-acls calls them
}

// privileges are the least that portage's principal needs.
func privileges() []privilege {
	return []privilege{
		{everyCluster, "cluster", "", []string{"Describe", "DescribeConfigs"}},
		{sourceCluster, "topic", "", []string{"Describe", "DescribeConfigs", "Read"}},
		{sourceCluster, "group", "", []string{"Describe", "Read"}},
		{targetCluster, "cluster", "", []string{"IdempotentWrite"}},
		{targetCluster, "topic", "", []string{"Describe", "DescribeConfigs", "AlterConfigs", "Alter", "Create", "Read", "Write", "Delete"}},
		{targetCluster, "group", "", []string{"Describe", "Read"}},
		{controlCluster, "cluster", "", []string{"IdempotentWrite"}},
		{controlCluster, "topic", "portage.", []string{"Describe", "DescribeConfigs", "Create", "Read", "Write"}},
		{controlCluster, "group", "portage-", []string{"Describe", "Read"}},
	}
}

// String is "Topic portage.*: Describe, Read".
func (p privilege) String() string {
	name := strings.ToUpper(p.Resource[:1]) + p.Resource[1:]
	switch {
	case p.Prefix != "":
		name += " " + p.Prefix + "*"
	case p.Resource != "cluster":
		name += " (moving)"
	}
	return name + ": " + strings.Join(p.Operations, ", ")
}

// privilegesText lists the privileges, a kind of cluster a line.
func privilegesText() string {
	var b strings.Builder
	b.WriteString("\nLeast privileges of portage's principal:")
	last := ""
	for _, p := range privileges() {
		if p.On == last {
			b.WriteString(" · " + p.String())
			continue
		}
		fmt.Fprintf(&b, "\n  %-14s %s", p.On, p)
		last = p.On
	}
	b.WriteString("\nWith Cluster: Alter on the target, topics get the ACLs that they have on the source; without it a person grants them.")
	b.WriteString("\nServices with the SDK need, beside their own: Topic portage.*: Describe, Read on the control cluster, Topic portage.events: Write there, and their topics and groups on the target.")
	return b.String()
}

// tests are the resources of a cluster on which rights are tested, each with what
// portage needs to do there.
type tests struct {
	cluster        []string
	topics, groups map[string][]string
}

func controlTopics() []string {
	return []string{events.TopicEvents, events.TopicDirectives, events.TopicOffsets, events.TopicProgress}
}

// testsOf are the tests of a cluster; without a plan nothing is known of topics
// and groups but portage's own.
func testsOf(cfg *config.Config, name string, p *plan.Plan) tests {
	t := tests{topics: make(map[string][]string), groups: make(map[string][]string)}
	t.add(everyCluster, nil, nil)
	if name == cfg.Control {
		t.add(controlCluster, controlTopics(), []string{workersGroup})
	}
	if p == nil {
		return t
	}
	var leave, reach []string
	for _, topic := range p.Topics {
		if name == p.Source {
			leave = append(leave, topic.Name)
		}
		if name == topic.Target {
			reach = append(reach, topic.TargetName)
		}
	}
	if name == p.Source {
		t.add(sourceCluster, leave, p.Groups)
	}
	if slices.Contains(p.Targets, name) {
		t.add(targetCluster, reach, p.Groups)
	}
	return t
}

// add enters what is needed on a kind of cluster.
func (t *tests) add(on string, topics, groups []string) {
	for _, p := range privileges() {
		switch {
		case p.On != on:
		case p.Resource == "cluster":
			t.cluster = append(t.cluster, p.Operations...)
		case p.Resource == "topic":
			enter(t.topics, topics, p.Operations)
		default:
			enter(t.groups, groups, p.Operations)
		}
	}
}

func enter(to map[string][]string, names, operations []string) {
	for _, n := range names {
		to[n] = slices.Concat(to[n], operations)
	}
}

// allowed is what a broker says that we may do with a resource, a bit for each
// operation (KIP-430).
type allowed int32

// untold is what a broker answers that does not say: before Kafka 2.3.
const untold allowed = math.MinInt32

// lacks are those of the needed operations that are not allowed, once each.
func (a allowed) lacks(needed []string) (missing []string) {
	for _, name := range needed {
		op, err := kmsg.ParseACLOperation(name)
		if err == nil && a&(1<<op) == 0 && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// right is what became of the test of one resource.
type right struct {
	Cluster  string `json:"cluster"`
	Resource string `json:"resource"` // "cluster", "topic orders", "group billing"
	Result   string `json:"result"`
	// Missing are the operations that must be granted.
	Missing []string `json:"missing,omitempty"`
	Detail  string   `json:"detail,omitempty"`
}

// Results of a test.
const (
	rightAllowed = "allowed"
	rightMissing = "missing"
	rightUnknown = "unknown"
	// rightCreatable is a topic that is not there yet and may be created.
	rightCreatable = "creatable"
)

// judge compares what is allowed with what is needed.
func (r right) judge(a allowed, needed []string) right {
	if a == untold {
		r.Result, r.Detail = rightUnknown, "the broker does not tell what is allowed: Kafka 2.3 and later do"
		return r
	}
	if r.Missing = a.lacks(needed); len(r.Missing) > 0 {
		return r.lacking(r.Missing, grant(r.Missing))
	}
	r.Result = rightAllowed
	return r
}

// idempotent lets Write on a topic stand for IdempotentWrite on the cluster, as
// brokers do from Kafka 2.8 on (KIP-679). Topics that are not there yet may bring
// it.
func (r right) idempotent(writable, open bool) right {
	const op = "IdempotentWrite"
	if !slices.Contains(r.Missing, op) || !writable && !open {
		return r
	}
	others := slices.DeleteFunc(slices.Clone(r.Missing), func(m string) bool { return m == op })
	switch {
	case len(others) > 0:
		return r.lacking(others, grant(others))
	case writable:
		r.Result, r.Missing, r.Detail = rightAllowed, nil, ""
	default:
		r.Result, r.Missing, r.Detail = rightUnknown, nil, op+" is not granted: Write on one of the topics, once they are there, stands for it"
	}
	return r
}

// grant is the fix for missing rights.
func grant(operations []string) string {
	return "grant " + strings.Join(operations, ", ") + " to portage's principal"
}

// unseen is said of what we may not even describe.
const unseen = "grant Describe to portage's principal; more cannot be told of what may not be described"

// refused is a resource that the broker does not describe.
func (r right) refused(err, unauthorized error) right {
	if errors.Is(err, unauthorized) {
		return r.lacking([]string{"Describe"}, unseen)
	}
	r.Result, r.Detail = rightUnknown, err.Error()
	return r
}

// creatable is a topic that is not there, of which a creation was validated.
func (r right) creatable(err error) right {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return r.lacking([]string{"Create"}, grant([]string{"Create"}))
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		r.Result, r.Detail = rightCreatable, "it may be created; the other rights can be told once it is there"
	default: // quotas, policies
		r.Result, r.Detail = rightUnknown, "whether it may be created cannot be told: "+err.Error()
	}
	return r
}

// name is the resource's name.
func (r right) name() string {
	_, name, _ := strings.Cut(r.Resource, " ")
	return name
}

func (r right) lacking(operations []string, detail string) right {
	r.Result, r.Missing, r.Detail = rightMissing, operations, detail
	return r
}

// sorted are the names of a map, in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
