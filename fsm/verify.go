package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

func (s *step) orderVerify(b events.VerifyOrdered) string {
	if reason := s.open(events.PhaseRunning, events.PhaseCompleting); reason != "" {
		return reason
	}
	if reason := s.topic.partitionwise(b.UpTo); reason != "" {
		return reason
	}
	s.moveCopy("")
	s.topic.Verify = &Verify{Cause: s.e.ID, UpTo: b.UpTo}
	s.direct(s.copyDirective)
	return ""
}

// partitionVerified takes a worker's answer. It must answer the order in force
// and have compared as far as that says. A difference counts even where another
// worker has found none: it is never outvoted. Answers after the first
// difference are noted, too, so that all differences show.
func (s *step) partitionVerified(b events.PartitionVerified) string {
	t, v := s.topic, s.topic.Verify
	if v == nil || !t.inSync() && t.Copy != events.PhaseStopped || s.e.Cause != v.Cause {
		return "answers no comparison under way"
	}
	ordered, ok := offsetOf(v.UpTo, b.Partition)
	if !ok {
		return fmt.Sprintf("partition %d was not to be compared", b.Partition)
	}
	if b.Differs == "" && b.UpTo < ordered {
		return fmt.Sprintf("partition %d was compared up to %d, the order is up to %d", b.Partition, b.UpTo, ordered)
	}
	i, found := slices.BinarySearchFunc(v.Done, b.Partition, func(d events.PartitionVerified, p int32) int { return int(d.Partition) - int(p) })
	if found && (b.Differs == "" || v.Done[i].Differs != "") {
		return fmt.Sprintf("partition %d has answered already", b.Partition)
	}
	done := slices.Clone(v.Done)
	if !found {
		done = slices.Insert(done, i, b)
	}
	done[i] = b
	t.Verify = &Verify{Cause: v.Cause, UpTo: v.UpTo, Done: done}
	s.topicTouched = true
	s.compared(b)
	return ""
}

// compared draws the conclusion from an answer that counted.
func (s *step) compared(b events.PartitionVerified) {
	t := s.topic
	stop := Stop{Position: s.at, Code: "diverged", Partition: b.Partition, To: b.UpTo, Reason: b.Differs}
	switch {
	case b.Differs != "" && t.Copy == events.PhaseStopped:
		s.stopToo(stop)
	case b.Differs != "":
		s.moveCopy(whenDiffers)
		s.stop(stop)
	case t.Copy == events.PhaseSynced && len(t.Verify.Done) == int(t.Plan.Partitions):
		s.moveCopy(whenIdentical)
	}
}

// Unproven says why the topic must not be finished yet, "" when the source is
// quiet and both sides were compared up to its ends: a comparison made earlier
// says nothing about what was written since.
func (t *Topic) Unproven() string {
	switch {
	case t.Copy != events.PhaseVerified || t.Verify == nil:
		return fmt.Sprintf("the copy is %s, both sides were not compared to the end", t.Copy)
	case t.Retire != events.PhaseQuiet:
		return fmt.Sprintf("the source is %s", t.Retire)
	}
	if reason := below(t.Verify.UpTo, t.Ends); reason != "" {
		return "both sides were not compared to the source's end: " + reason
	}
	return ""
}

func (s *step) finishTopic() string {
	if reason := s.open(events.PhaseCompleting); reason != "" {
		return reason
	}
	if reason := s.topic.Unproven(); reason != "" {
		return reason
	}
	s.moveCopy("")
	s.mig.Count.Finished++
	s.migTouched = true
	if s.mig.Count.Finished == s.mig.Count.Topics {
		s.moveMigration(whenLastTopic)
	}
	s.direct(s.copyDirective)
	return ""
}
