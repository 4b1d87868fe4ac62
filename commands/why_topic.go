package commands

import (
	"fmt"
	"math"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

func whyTopic(m *fsm.Migration, t *fsm.Topic) []Blocker {
	l := &list{stream: events.TopicStream(t.Topic)}
	switch {
	case m.Phase == events.PhaseCancelling && t.Copy != events.PhaseReleased:
		l.add(Portage, "", "the removal of what was created for it")
		return l.out
	case m.Phase == events.PhaseCancelling || m.Phase == events.PhaseDrafting || m.Phase == events.PhasePlanned:
		return nil
	}
	whyCopy(l, m, t)
	whyWriters(l, m, t)
	if t.Writers == events.PhaseOnTarget && t.Retire == events.PhaseDraining {
		onSource(l, t, "to leave the source: the topic's writers have moved")
		l.add(Service, "", "the source to be without writes for the quiet time")
	}
	return l.out
}

func whyCopy(l *list, m *fsm.Migration, t *fsm.Topic) {
	switch t.Copy {
	case events.PhaseStopped:
		for _, s := range append([]fsm.Stop{*t.Stop}, t.MoreStops...) {
			what, do := wayOn(m, t, s)
			l.add(Person, do, "%s: the copy stopped, %s", what, stopped(s))
		}
	case events.PhasePlanned:
		if m.Phase == events.PhaseRunning {
			l.add(Portage, "", "its copy to begin")
		}
	case events.PhaseClearing:
		l.add(Portage, "", "the target topic to be deleted, to be copied anew")
	case events.PhaseCreating:
		l.add(Portage, "", "the target topic")
	case events.PhaseCopying:
		if m.Phase != events.PhasePaused {
			l.add(Workers, "", "the copy to reach the source's end")
		}
	case events.PhaseSynced, events.PhaseVerified:
		if m.Phase == events.PhaseCompleting {
			whyFinish(l, t)
		}
	}
}

// wayOn is what lets a stopped partition go on, and the command for it. Where
// records are gone retrying mends nothing, and where they are refused only if the
// reason is gone; where the sides contradict each other, or a topic is another
// one, the copy is doubtful as a whole.
func wayOn(m *fsm.Migration, t *fsm.Topic, s fsm.Stop) (what, do string) {
	stream := events.TopicStream(t.Topic)
	retry := typedAs((events.RetryRequested{}).EventType(), m.Name, stream)
	switch s.Code {
	case "out-of-range":
		return "a decision on records that cannot be copied", acceptLoss(m, t, s)
	case "refused-batch":
		return fmt.Sprintf("what the reason asks for and then %s, or a decision to give up records that cannot be copied", retry), acceptLoss(m, t, s)
	case "added":
		return "a decision on a partition that is not copied", acceptLoss(m, t, s)
	case "foreign-writer", "diverged", "recreated":
		return "a copy from the beginning", typedAs((events.RecopyRequested{}).EventType(), m.Name, stream)
	}
	return "a retry", retry
}

func acceptLoss(m *fsm.Migration, t *fsm.Topic, s fsm.Stop) string {
	return fmt.Sprintf("portage accept-loss %s %s %d --reason WHY", m.Name, t.Topic, s.Partition)
}

func stopped(s fsm.Stop) string {
	switch {
	case s.Partition < 0:
		return fmt.Sprintf("%s: %s", s.Code, s.Reason)
	case s.To == math.MaxInt64:
		return fmt.Sprintf("%s, partition %d from offset %d on: %s", s.Code, s.Partition, s.From, s.Reason)
	case s.To > s.From:
		return fmt.Sprintf("%s, partition %d, offsets %d to %d: %s", s.Code, s.Partition, s.From, s.To-1, s.Reason)
	default:
		return fmt.Sprintf("%s, partition %d at offset %d: %s", s.Code, s.Partition, s.From, s.Reason)
	}
}

func whyFinish(l *list, t *fsm.Topic) {
	switch {
	case t.Copy == events.PhaseSynced && t.Verify != nil:
		l.add(Workers, "", "the comparison of both sides: %d of %d partitions are done", len(t.Verify.Done), t.Plan.Partitions)
	case t.Unproven() != "":
		l.add(Portage, "", "a comparison of both sides to the end (%s)", t.Unproven())
	default:
		l.add(Portage, "", "the real settings on the target")
	}
}

func whyWriters(l *list, m *fsm.Migration, t *fsm.Topic) {
	switch t.Writers {
	case events.PhaseArming:
		l.add(Workers, "", "workers to expect other writers: on %d of %d partitions they do", len(t.Shared), t.Plan.Partitions)
	case events.PhaseRolling:
		if !onSource(l, t, "to leave the source") {
			l.add(Portage, "", "the source to stand still, then the decision")
		}
	case events.PhaseCommitted:
		l.add(Workers, "", "the copy to pass the source's last records")
	case events.PhaseOnSource:
		switch {
		case t.Abort != nil:
			l.add(Person, typedAs((events.SwitchRequested{}).EventType(), m.Name, l.stream), "another request: the switch of the writers was aborted (%s): %s", t.Abort.Code, t.Abort.Reason)
		case atStep(m, events.StepWriters) && len(t.Remaining) > 0:
			l.add(Portage, "", "groups %s to leave the source", strings.Join(t.Remaining, ", "))
		case atStep(m, events.StepWriters) && t.Copy != events.PhaseStopped:
			l.add(Portage, "", "the switch of the writers")
		}
	}
}

// onSource lists the producers that are not known to have moved or left.
func onSource(l *list, t *fsm.Topic, what string) (found bool) {
	for _, p := range t.Producers {
		switch {
		case p.Left || p.Route == events.RouteTarget:
			continue
		case p.Route == "":
			l.add(Service, "", "producer %s (%s) to tell its route", p.Instance, p.Incarnation)
		default:
			l.add(Service, "restart it", "producer %s (%s) %s", p.Instance, p.Incarnation, what)
		}
		found = true
	}
	return found
}
