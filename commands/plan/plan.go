package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portage-kafka/portage/events"
)

// ConsumersFirst is the strategy that moves the topics, then the groups that
// read them, then the producers that write them.
const ConsumersFirst = "consumers-first"

// Plan is a plan file.
type Plan struct {
	Migration string        `yaml:"migration"`
	Source    string        `yaml:"source"`
	Targets   []string      `yaml:"targets,flow"`
	Strategy  string        `yaml:"strategy"`
	Owner     string        `yaml:"owner,omitempty"`
	Topics    []Topic       `yaml:"topics"`
	Groups    []string      `yaml:"groups,omitempty"`
	Steps     []events.Step `yaml:"steps,omitempty"`
	Policy    Policy        `yaml:"policy,omitempty"`

	// lines finds the line of a field by its path, "topics[0].name".
	lines map[string]int
}

// Topic is a topic to move.
type Topic struct {
	Name       string `yaml:"name"`
	Target     string `yaml:"target,omitempty"`
	TargetName string `yaml:"target_name,omitempty"`
	// ReplicationFactor on the target; 0: as on the source, at most the
	// target's brokers.
	ReplicationFactor int `yaml:"replication_factor,omitempty"`
}

// Policy bounds the switches.
type Policy struct {
	// Prepare is how long instances have to prepare; default 60 s.
	Prepare time.Duration `yaml:"prepare,omitempty"`
	// Hold is how long instances hold before they ask for an abort; default 5 s.
	Hold time.Duration `yaml:"hold,omitempty"`
	// Straggler says what happens to a handler that outlasts the hold: abort
	// (default) or proceed.
	Straggler string `yaml:"straggler,omitempty"`
	// MaxLag is the lag of the copy, in records, above which no switch starts;
	// default 10000.
	MaxLag int64 `yaml:"max_lag,omitempty"`
	// Quiet is how long a source must be without writes to be quiet; default 10 s.
	Quiet time.Duration `yaml:"quiet,omitempty"`
	// Silent is after how long without writes a producer that neither moved nor
	// said good-bye is taken for gone, at least Quiet; default 2 min.
	Silent time.Duration `yaml:"silent,omitempty"`
}

func (p Policy) body() events.Policy {
	return events.Policy{
		PrepareMillis: p.Prepare.Milliseconds(), HoldMillis: p.Hold.Milliseconds(), Straggler: p.Straggler,
		MaxLag: p.MaxLag, QuietMillis: p.Quiet.Milliseconds(), SilentMillis: p.Silent.Milliseconds(),
	}
}

// DefaultSteps are the steps of consumers-first with a person before each switch.
func DefaultSteps() []events.Step {
	return []events.Step{
		{Do: events.StepCopy, Approve: events.ApproveAuto},
		{Do: events.StepReaders, Approve: events.ApproveManual},
		{Do: events.StepWriters, Approve: events.ApproveManual},
		{Do: events.StepFinish, Approve: events.ApproveManual},
	}
}

// Problem is one thing that is wrong with a plan.
type Problem struct {
	// Line of the file, from 1; 0 when it concerns no line.
	Line int
	// Field is the path of the field, "topics[2].name".
	Field string
	// Reason says what is wrong, with the value; Fix what to do about it.
	Reason string
	Fix    string
}

// String is "line 7: topics[2].name: reason: fix".
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Reason)
	if p.Fix != "" {
		b.WriteString(": " + p.Fix)
	}
	return b.String()
}

// Problems is all that is wrong with a plan, in the order of its lines.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// OrNil is nil when there are no problems, else the problems by line.
func (ps Problems) OrNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.byLine()
}

// byLine sorts the problems; those of one line stay as they were found.
func (ps Problems) byLine() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
	return ps
}

// problem names the line of the field, or of the nearest one around it.
func (p *Plan) problem(field, reason, fix string) Problem {
	for at := field; ; {
		if line, ok := p.lines[at]; ok {
			return Problem{Line: line, Field: field, Reason: reason, Fix: fix}
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return Problem{Field: field, Reason: reason, Fix: fix}
		}
		at = at[:i]
	}
}
