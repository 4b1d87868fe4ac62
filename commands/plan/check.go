package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portage-kafka/portage/events"
)

// check finds what is wrong with the plan alone.
func (p *Plan) check() (out Problems) {
	out = append(out, p.checkNames()...)
	out = append(out, p.checkTopics()...)
	out = append(out, p.checkGroups()...)
	out = append(out, p.checkSteps()...)
	return append(out, p.checkPolicy()...)
}

// nameRule is what migrations and clusters may be called.
const nameRule = "use letters, digits, '.', '_' and '-', at most 100, not beginning with a dot"

func (p *Plan) checkNames() (out Problems) {
	if !events.ValidName(p.Migration) {
		out = append(out, p.problem("migration", fmt.Sprintf("%q is no name for a migration", p.Migration), nameRule))
	}
	switch {
	case p.Source == "":
		out = append(out, p.problem("source", "missing", "name the cluster that the topics leave"))
	case !events.ValidName(p.Source):
		out = append(out, p.problem("source", fmt.Sprintf("%q is no name for a cluster", p.Source), nameRule))
	}
	if len(p.Targets) == 0 {
		out = append(out, p.problem("targets", "missing", "name the clusters that the topics reach"))
	}
	for i, t := range p.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		switch {
		case !events.ValidName(t):
			out = append(out, p.problem(at, fmt.Sprintf("%q is no name for a cluster", t), nameRule))
		case slices.Contains(p.Targets[:i], t):
			out = append(out, p.problem(at, fmt.Sprintf("%q is listed twice", t), "remove one"))
		case t == p.Source:
			out = append(out, p.problem(at, fmt.Sprintf("%q is the source", t), "name another cluster"))
		}
	}
	if p.Strategy != ConsumersFirst {
		out = append(out, p.problem("strategy", fmt.Sprintf("%q is unknown", p.Strategy), "use "+ConsumersFirst))
	}
	return out
}

func (p *Plan) checkTopics() (out Problems) {
	if len(p.Topics) == 0 {
		out = append(out, p.problem("topics", "missing", "list the topics to move"))
	}
	seen, reached := make(map[string]bool), make(map[[2]string]string)
	for i, t := range p.Topics {
		at := fmt.Sprintf("topics[%d]", i)
		out = append(out, p.checkTopic(at, t)...)
		goal := [2]string{t.Target, t.TargetName}
		switch {
		case t.Name == "":
		case seen[t.Name]:
			out = append(out, p.problem(at+".name", fmt.Sprintf("topic %q is listed twice", t.Name), "remove one"))
		case reached[goal] != "":
			out = append(out, p.problem(at+".target_name", fmt.Sprintf("topic %q goes to %s/%s as well", reached[goal], t.Target, t.TargetName), "give one of them another target_name"))
		}
		seen[t.Name], reached[goal] = true, t.Name
	}
	return out
}

// topicRule is what Kafka lets topics be called.
const topicRule = "use letters, digits, '.', '_' and '-', at most 249"

func (p *Plan) checkTopic(at string, t Topic) (out Problems) {
	switch {
	case t.Name == "":
		return append(out, p.problem(at+".name", "missing", "name the topic"))
	case !events.ValidTopic(t.Name):
		out = append(out, p.problem(at+".name", fmt.Sprintf("%q is no name of a topic", t.Name), topicRule))
	case internal(t.Name):
		out = append(out, p.problem(at+".name", fmt.Sprintf("topic %q is internal", t.Name), "leave it out"))
	}
	if t.TargetName != t.Name && (!events.ValidTopic(t.TargetName) || internal(t.TargetName)) {
		out = append(out, p.problem(at+".target_name", fmt.Sprintf("%q is no name for a topic of yours", t.TargetName), topicRule+", none of Kafka's or portage's own"))
	}
	switch {
	case len(p.Targets) == 0:
	case t.Target == "":
		out = append(out, p.problem(at+".target", "missing", fmt.Sprintf("the plan has several targets: name one of %s", strings.Join(p.Targets, ", "))))
	case !slices.Contains(p.Targets, t.Target):
		out = append(out, p.problem(at+".target", fmt.Sprintf("%q is not among the targets", t.Target), "name one of "+strings.Join(p.Targets, ", ")))
	}
	if t.ReplicationFactor < 0 || t.ReplicationFactor > 1<<15-1 {
		out = append(out, p.problem(at+".replication_factor", fmt.Sprintf("%d is no replication factor", t.ReplicationFactor), "use 1 or more, or leave it out"))
	}
	return out
}

// internal tells Kafka's own topics and portage's from those of services. The
// brokers flag theirs, too, but not in every release.
func internal(topic string) bool {
	switch topic {
	case "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata":
		return true
	}
	return strings.HasPrefix(topic, "portage.")
}

// maxGroup is the longest name of a group that portage moves, in bytes.
const maxGroup = 1000

func (p *Plan) checkGroups() (out Problems) {
	seen := make(map[string]bool, len(p.Groups))
	for i, g := range p.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		switch {
		case g == "":
			out = append(out, p.problem(at, "empty", "name the consumer group"))
		case len(g) > maxGroup:
			out = append(out, p.problem(at, fmt.Sprintf("the name has %d bytes", len(g)), fmt.Sprintf("portage moves groups with names of at most %d", maxGroup)))
		case seen[g]:
			out = append(out, p.problem(at, fmt.Sprintf("group %q is listed twice", g), "remove one"))
		}
		seen[g] = true
	}
	return out
}

// checkSteps wants each step once and in the order of the strategy.
func (p *Plan) checkSteps() (out Problems) {
	order := DefaultSteps()
	if len(p.Steps) != len(order) {
		return Problems{p.problem("steps", fmt.Sprintf("%d steps, %s has %d", len(p.Steps), ConsumersFirst, len(order)), "list copy, readers, writers and finish, or leave steps out")}
	}
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		if s.Do != order[i].Do {
			out = append(out, p.problem(at+".do", fmt.Sprintf("%q, step %d of %s is %q", s.Do, i+1, ConsumersFirst, order[i].Do), "keep the order copy, readers, writers, finish"))
		}
		if s.Approve != events.ApproveManual && s.Approve != events.ApproveAuto {
			out = append(out, p.problem(at+".approve", fmt.Sprintf("%q", s.Approve), "use manual or auto"))
		}
	}
	return out
}

func (p *Plan) checkPolicy() (out Problems) {
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"prepare", p.Policy.Prepare, time.Second}, {"hold", p.Policy.Hold, 100 * time.Millisecond},
		{"quiet", p.Policy.Quiet, 100 * time.Millisecond}, {"silent", p.Policy.Silent, max(p.Policy.Quiet, 100*time.Millisecond)},
	} {
		if d.value < d.least {
			out = append(out, p.problem("policy."+d.field, fmt.Sprintf("%v is too short", d.value), fmt.Sprintf("use %v or more, with its unit", d.least)))
		}
	}
	if p.Policy.Straggler != events.StragglerAbort && p.Policy.Straggler != events.StragglerProceed {
		out = append(out, p.problem("policy.straggler", fmt.Sprintf("%q", p.Policy.Straggler), "use abort or proceed"))
	}
	if p.Policy.MaxLag < 0 {
		out = append(out, p.problem("policy.max_lag", fmt.Sprintf("%d records", p.Policy.MaxLag), "use 1 or more, or leave it out for 10000"))
	}
	return out
}
