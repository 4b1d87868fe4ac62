package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// Over reports whether nothing can happen to the migration any more.
func (m *Migration) Over() bool {
	return m.Phase == events.PhaseFinished || m.Phase == events.PhaseCancelled
}

// StepIs tells where a migration stands in its step list: the index of the
// first step that is not done (the list's length when all are), and whether
// that step waits for a person. The copy step is approved by the start.
func (m *Migration) StepIs() (index int, awaiting bool) {
	if m.Plan == nil {
		return 0, false
	}
	for i, st := range m.Plan.Steps {
		if !m.stepDone(st.Do) {
			return i, st.Approve == events.ApproveManual && st.Do != events.StepCopy && !slices.Contains(m.Approved, i)
		}
	}
	return len(m.Plan.Steps), false
}

func (m *Migration) stepDone(do string) bool {
	switch do {
	case events.StepCopy:
		return m.Count.Synced == m.Count.Topics
	case events.StepReaders:
		return m.Count.Readers == m.Count.Groups
	case events.StepWriters:
		return m.Count.Writers == m.Count.Topics
	default:
		return m.Phase == events.PhaseFinished
	}
}

// due says why a step may not begin by itself, "" when it may. A person who
// asks for it by name has approved it.
func (s *step) due(do string) string {
	if s.e.Actor.Kind == events.Operator {
		return ""
	}
	i, awaiting := s.mig.StepIs()
	switch {
	case i >= len(s.mig.Plan.Steps) || s.mig.Plan.Steps[i].Do != do:
		return fmt.Sprintf("the migration is at step %d of its list, which is not %s: only a person may begin it now", i, do)
	case awaiting:
		return fmt.Sprintf("step %d (%s) waits for the approval of a person", i, do)
	}
	return ""
}

func (s *step) create(b events.MigrationCreated) string {
	c := s.mig.Count
	if b.Topics != c.Topics || b.Groups != c.Groups {
		return fmt.Sprintf("the plan has %d topics and %d groups, accepted were %d and %d: see their notes", b.Topics, b.Groups, c.Topics, c.Groups)
	}
	if b.Machine != Version {
		return fmt.Sprintf("machine version %d, this release folds version %d", b.Machine, Version)
	}
	if b.Source != s.mig.Source {
		return fmt.Sprintf("source %s, the planned topics leave %s", named(b.Source), named(s.mig.Source))
	}
	for _, t := range s.mig.Targets {
		if !slices.Contains(b.Targets, t) {
			return fmt.Sprintf("planned topics reach %s, which is not among the targets", named(t))
		}
	}
	s.moveMigration(whenCounts)
	s.mig.Plan, s.mig.Created = &b, s.at
	return ""
}

func (s *step) start() string {
	s.moveMigration("")
	s.mig.Started = s.at
	return ""
}

func (s *step) pause(reason string) string {
	s.moveMigration("")
	s.mig.Reason = reason
	s.direct(s.poolDirective)
	return ""
}

func (s *step) resume() string {
	s.moveMigration("")
	s.mig.Reason = ""
	s.direct(s.poolDirective)
	return ""
}

// changeRate sets a bound, or takes it away.
func (s *step) changeRate(r events.Rate) string {
	if s.mig.Over() {
		return fmt.Sprintf("migration %q is %s: nothing is copied any more", s.mig.Name, s.mig.Phase)
	}
	names := []string{"", s.mig.Source.Name}
	for _, t := range s.mig.Targets {
		names = append(names, t.Name)
	}
	if !slices.Contains(names, r.Cluster) {
		return fmt.Sprintf("cluster %q has no part in the migration: name one of %s, or none for all of it", r.Cluster, strings.Join(names[1:], ", "))
	}
	i, found := slices.BinarySearchFunc(s.mig.Rates, r, func(a, b events.Rate) int { return strings.Compare(a.Cluster, b.Cluster) })
	rates := slices.Clone(s.mig.Rates)
	if found {
		rates = slices.Delete(rates, i, i+1)
	}
	if r.BytesPerSecond > 0 {
		rates = slices.Insert(rates, i, r)
	}
	s.mig.Rates, s.migTouched = rates, true
	s.direct(s.poolDirective)
	return ""
}

func (s *step) approve(b events.Approved) string {
	if s.mig.Plan == nil || b.Step < 0 || b.Step >= len(s.mig.Plan.Steps) {
		return fmt.Sprintf("there is no step %d in the plan", b.Step)
	}
	if reason := s.open(events.PhasePlanned, events.PhaseRunning, events.PhasePaused, events.PhaseCompleting); reason != "" {
		return reason
	}
	if slices.Contains(s.mig.Approved, b.Step) {
		return fmt.Sprintf("step %d (%s) is approved already", b.Step, s.mig.Plan.Steps[b.Step].Do)
	}
	s.mig.Approved = inserted(s.mig.Approved, b.Step)
	return ""
}

func (s *step) complete() string {
	c := s.mig.Count
	switch {
	case c.Stopped > 0:
		return fmt.Sprintf("%d topics are stopped: retry them first", c.Stopped)
	case c.Readers < c.Groups:
		return fmt.Sprintf("%d of %d groups are on the target: switch the readers first", c.Readers, c.Groups)
	case c.Writers < c.Topics:
		return fmt.Sprintf("the writers of %d of %d topics are on the target: switch the writers first", c.Writers, c.Topics)
	case c.Quiet < c.Topics:
		return fmt.Sprintf("%d of %d source topics are quiet: wait until nothing is written there", c.Quiet, c.Topics)
	}
	if reason := s.due(events.StepFinish); reason != "" {
		return reason
	}
	s.moveMigration(whenAllMoved)
	return ""
}

func (s *step) cancel(b events.CancelRequested) string {
	if s.mig.Phase == events.PhaseDrafting {
		s.moveMigration("")
		s.mig.Reason = b.Reason
		return ""
	}
	c := s.mig.Count
	if c.Moved > 0 || c.Switching > 0 {
		return fmt.Sprintf("%d switches are decided and %d under way: abort what is undecided; what is decided stays on the target", c.Moved, c.Switching)
	}
	s.moveMigration(whenNothingMoved)
	s.mig.Reason = b.Reason
	s.direct(s.poolDirective)
	return ""
}
