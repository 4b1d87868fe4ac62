package oracle

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/portage-kafka/portage/testkit/workload"
)

// Kind is what a finding names; the package documentation defines each.
type Kind string

// The kinds, in the order of a report.
const (
	Loss        Kind = "loss"
	Duplicate   Kind = "duplicate"
	Reorder     Kind = "reorder"
	Altered     Kind = "altered"
	Aborted     Kind = "aborted"
	Reprocessed Kind = "reprocessed"
	Unprocessed Kind = "unprocessed"
	Overtaken   Kind = "overtaken"
	TwoClusters Kind = "two clusters"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{Loss, Duplicate, Reorder, Altered, Aborted, Reprocessed, Unprocessed, Overtaken, TwoClusters}
}

// Example is one record of a finding: where it is, or where it was handled.
type Example struct {
	workload.ID
	workload.Place
	Instance string // that handled it
	Note     string
}

// String is a line for people.
func (e Example) String() string {
	by := ""
	if e.Instance != "" {
		by = " by " + e.Instance
	}
	return fmt.Sprintf("%v at %v%s: %s", e.ID, e.Place, by, e.Note)
}

// Finding is one kind of fault, with the first few examples.
type Finding struct {
	Kind     Kind
	Group    string // "" for faults of the logs
	Count    int
	Examples []Example
}

// TopicCount counts one topic's records.
type TopicCount struct {
	Topic                  string
	Sent, Aborted, Unknown int // by the journals
	Source, Target         int // in the logs, copies included
	Compacted              int // acknowledged, and gone by compaction
	Unjournalled           int // in a log and in no journal
	Foreign                int // in a log, of another run or of none
}

func (t *TopicCount) add(x *fact) {
	for _, c := range []struct {
		is bool
		n  *int
	}{{x.sent, &t.Sent}, {x.aborted, &t.Aborted}, {x.unknown, &t.Unknown}, {!x.sent && !x.aborted && !x.unknown && x.visible(), &t.Unjournalled}} {
		if c.is {
			*c.n++
		}
	}
	t.Source += x.in[source].n
	t.Target += x.in[target].n
}

// GroupCount counts what one group handled.
type GroupCount struct {
	Group     string
	Handled   int // to the end
	Records   int // different ones
	Instances int
}

// Report is the verdict.
type Report struct {
	Run      string
	Topics   []TopicCount
	Groups   []GroupCount
	Findings []Finding // by kind, then group; only what was found
	Excused  []Finding // what would have been a finding
	Pauses   []Pause
	Strays   int // journal entries of clusters, topics or runs that were not judged

	examples int
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Count sums a kind's findings over all groups.
func (r Report) Count(k Kind) int {
	n := 0
	for _, f := range r.Findings {
		if f.Kind == k {
			n += f.Count
		}
	}
	return n
}

// name counts a fault.
func (r *Report) name(k Kind, group string, n int, e Example) {
	r.Findings = addFinding(r.Findings, r.examples, k, group, n, e)
}

// nameOrExcuse counts a fault, or lists it as excused.
func (r *Report) nameOrExcuse(excused bool, k Kind, group string, n int, e Example) {
	if excused {
		r.Excused = addFinding(r.Excused, r.examples, k, group, n, e)
		return
	}
	r.name(k, group, n, e)
}

func addFinding(list []Finding, examples int, k Kind, group string, n int, e Example) []Finding {
	i := slices.IndexFunc(list, func(f Finding) bool { return f.Kind == k && f.Group == group })
	if i < 0 {
		i = len(list)
		list = append(list, Finding{Kind: k, Group: group})
	}
	list[i].Count += n
	if len(list[i].Examples) < examples {
		list[i].Examples = append(list[i].Examples, e)
	}
	return list
}

// sortFindings puts findings in the order of Kinds, then by group.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		if a.Kind != b.Kind {
			return slices.Index(Kinds(), a.Kind) - slices.Index(Kinds(), b.Kind)
		}
		return strings.Compare(a.Group, b.Group)
	})
}

// Table is the report for people.
func (r Report) Table() string {
	var b strings.Builder
	verdict := "nothing found"
	if !r.OK() {
		verdict = "FAULTS FOUND"
	}
	fmt.Fprintf(&b, "oracle, run %s: %s\n", r.Run, verdict)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tSENT\tABORTED\tUNKNOWN\tSOURCE\tTARGET\tCOMPACTED\tUNJOURNALLED\tFOREIGN")
	for _, t := range r.Topics {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", t.Topic, t.Sent, t.Aborted, t.Unknown, t.Source, t.Target, t.Compacted, t.Unjournalled, t.Foreign)
	}
	fmt.Fprintln(w, "GROUP\tHANDLED\tRECORDS\tINSTANCES")
	for _, g := range r.Groups {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", g.Group, g.Handled, g.Records, g.Instances)
	}
	if len(r.Pauses) > 0 {
		fmt.Fprintln(w, "PAUSE OF\tPARTITIONS\tP50\tP99\tMAX\tNORMAL\tSILENCE")
	}
	for _, p := range r.Pauses {
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%v\t%v\t%v\n", p.Group, p.Partitions, short(p.P50), short(p.P99), short(p.Max), short(p.Normal), short(p.Silence))
	}
	_ = w.Flush() // a strings.Builder never fails
	for _, f := range r.Findings {
		f.write(&b, "FAULT")
	}
	for _, f := range r.Excused {
		f.write(&b, "excused")
	}
	if r.Strays > 0 {
		fmt.Fprintf(&b, "%d journal entries are of no cluster, topic or run that was judged\n", r.Strays)
	}
	return b.String()
}

// short rounds a duration to what matters.
func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func (f Finding) write(b *strings.Builder, word string) {
	fmt.Fprintf(b, "%s %s", word, f.Kind)
	if f.Group != "" {
		fmt.Fprintf(b, " in group %s", f.Group)
	}
	fmt.Fprintf(b, ": %d\n", f.Count)
	for _, e := range f.Examples {
		fmt.Fprintf(b, "  %v\n", e)
	}
}
