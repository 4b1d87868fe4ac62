package fsm

import "github.com/portage-kafka/portage/events"

// AtLeast is the oldest release of agents and workers that can obey the
// directives of these machines.
const AtLeast = "0.1"

// direct lets a directive follow from the event. It is derived when the event
// was accepted, from the rows as they are then.
func (s *step) direct(derive func() events.Directive) { s.directives = append(s.directives, derive) }

func (s *step) directive(to events.Addressee, stream events.Stream, st Standing, p events.Phase) events.Directive {
	return events.Directive{
		SourceCluster: s.mig.Source.ID, Addressee: to, Position: s.at, Migration: s.e.Migration,
		Stream: stream, Version: st.Version, Epoch: st.Epoch, Phase: p, AtLeast: AtLeast,
	}
}

// poolDirective tells all workers of the migration whether to copy at all.
func (s *step) poolDirective() events.Directive {
	d := s.directive(events.ToPool(s.mig.Name), events.MigrationStream, s.mig.Standing, s.mig.Phase)
	d.Pool = &events.PoolOrder{
		Paused: s.mig.Phase == events.PhasePaused || s.mig.Phase == events.PhaseCancelling, Rates: s.mig.Rates,
	}
	return d
}

// copyDirective tells the workers what to do about the event's topic.
func (s *step) copyDirective() events.Directive {
	t := s.topic
	d := s.directive(events.ToCopy(t.Topic), events.TopicStream(t.Topic), t.Standing, t.Copy)
	o := &events.CopyOrder{
		Run:    t.runs() && s.mig.Phase != events.PhaseCancelling,
		Source: t.Plan.Source.Name, Topic: t.Topic, TopicID: t.Plan.TopicID, Partitions: t.Plan.Partitions,
		Target: t.Plan.Target.Name, TargetTopic: t.Plan.TargetTopic,
		Shared: t.Writers != events.PhaseOnSource, Recopies: t.Recopies, Losses: t.Losses,
	}
	if t.Target != nil {
		o.TargetTopicID = t.Target.TopicID
	}
	if t.Verify != nil && t.Copy == events.PhaseSynced {
		o.Verify, o.VerifyCause = t.Verify.UpTo, t.Verify.Cause
	}
	d.Copy = o
	return d
}

// runs says whether workers may write to the target topic.
func (t *Topic) runs() bool {
	return t.Target != nil && t.Copy != events.PhaseClearing && t.Copy != events.PhaseFinished && t.Copy != events.PhaseReleased
}

// producerDirective tells the producers of the event's topic where to write.
func (s *step) producerDirective() events.Directive {
	t := s.topic
	d := s.directive(events.ToProducers(t.Topic), events.TopicStream(t.Topic), t.Standing, t.Writers)
	o := &events.TopicOrder{
		Route: events.RouteSource, Source: t.Plan.Source.Name, Target: t.Plan.Target.Name,
		TargetTopic: t.Plan.TargetTopic, Partitions: t.Plan.Partitions, Recopies: t.Recopies,
	}
	switch t.Writers {
	case events.PhaseRolling, events.PhaseCommitted, events.PhaseOnTarget:
		o.Route = events.RouteTarget
	}
	if t.Writers != events.PhaseOnSource {
		o.Level = events.LevelRestart
	}
	d.Topic = o
	return d
}

// groupDirective tells the instances of a group what to do.
func (s *step) groupDirective(g *Group) events.Directive {
	d := s.directive(events.ToGroup(g.Group), events.GroupStream(g.Group), g.Standing, g.Readers)
	o := &events.GroupOrder{
		Order: orderOf(g.Readers), Source: g.Plan.Source.Name, Target: g.Plan.Target.Name, Topics: g.Topics,
		HoldMillis: s.mig.Plan.Policy.HoldMillis, Straggler: s.mig.Plan.Policy.Straggler,
		LeaveSource: g.LeaveSource, Open: g.Readers == events.PhaseOnSource || g.Readers == events.PhaseOnTarget,
	}
	if o.Order == events.OrderStage || o.Order == events.OrderTarget {
		o.Cut = g.Cut
	}
	if g.Readers == events.PhaseReleased {
		o = &events.GroupOrder{Order: events.OrderSource, Source: g.Plan.Source.Name, Open: true}
	}
	d.Group = o
	return d
}

// orderOf is what instances do in a phase of their group.
func orderOf(p events.Phase) string {
	switch p {
	case events.PhasePreparing:
		return events.OrderPrepare
	case events.PhaseHolding, events.PhaseDrained:
		return events.OrderHold
	case events.PhaseCut, events.PhaseStaged:
		return events.OrderStage
	case events.PhaseCommitted, events.PhaseOnTarget:
		return events.OrderTarget
	default:
		return events.OrderSource
	}
}

// directGroup derives the directive of the event's own group.
func (s *step) directGroup() { s.direct(func() events.Directive { return s.groupDirective(s.group) }) }
