package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/cluster"
)

// Severity says what a finding means for the migration.
type Severity string

// The severities.
const (
	Pass    Severity = "pass"    // looked at, nothing found
	Warning Severity = "warning" // a person should know
	Failure Severity = "failure" // the run could lose data or cannot end
)

// Finding is what one check found about one thing.
type Finding struct {
	// Check is the number of the check, Name its name.
	Check int    `json:"check"`
	Name  string `json:"name"`
	// Subject is what was looked at: a cluster, topic or group.
	Subject  string   `json:"subject"`
	Severity Severity `json:"severity"`
	// Evidence is what was seen, with values; Fix what to do.
	Evidence string `json:"evidence"`
	Fix      string `json:"fix,omitempty"`
}

// Pair is a topic and where it is to go.
type Pair struct {
	Topic             string
	Target            *cluster.Client
	TargetTopic       string
	ReplicationFactor int
}

// Subject is what a run looks at.
type Subject struct {
	Source  *cluster.Client
	Control *cluster.Client
	Pairs   []Pair
	Groups  []string
	// ControlTopics are the names of the control topics.
	ControlTopics []string
}

// Report is the result of a run.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Failures are the findings that stand against the run.
func (r Report) Failures() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Severity != Failure })
}

// check is one check of the table.
type check struct {
	number int
	name   string
	run    func(context.Context, *facts) ([]Finding, error)
}

// checks are all checks, in the order of their numbers.
func checks() []check {
	return []check{
		{1, "protocol versions", apis},
		{2, "hazardous versions", versions},
		{4, "message size", messageSize},
		{7, "timestamps", timestamps},
		{8, "retention and cleanup", keeping},
		{9, "compaction and null keys", nullKeys},
		{11, "replication", replication},
		{12, "partitions in trouble", trouble},
		{13, "open transactions", transactions},
		{14, "topics created by asking", autoCreate},
		{15, "name collisions", collisions},
		{22, "disk headroom", diskHeadroom},
		{24, "groups", groups},
		{25, "offsets kept elsewhere", external},
		{29, "partition counts", partitionCounts},
		{30, "cluster ids", clusterIDs},
		{31, "control topics", controlTopics},
		{32, "message format", messageFormat},
	}
}

// Run runs all checks. A check that cannot look is a failure of its own, with
// the cause: what was not seen is not safe. The error is that of the context.
func Run(ctx context.Context, s Subject) (Report, error) {
	var r Report
	f := newFacts(s)
	for _, c := range checks() {
		found, err := c.run(ctx, f)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			found = append(found, Finding{Subject: s.Source.Name(), Severity: Failure, Evidence: "cannot look: " + err.Error(), Fix: "let portage read this, then run the check again"})
		}
		if len(found) == 0 {
			found = []Finding{{Subject: s.Source.Name(), Severity: Pass, Evidence: fmt.Sprintf("nothing found on %d topics and %d groups", len(s.Pairs), len(s.Groups))}}
		}
		for _, one := range found {
			one.Check, one.Name = c.number, c.name
			r.Findings = append(r.Findings, one)
		}
	}
	return r, nil
}
