package fsm

import "github.com/portage-kafka/portage/events"

// apply hands the event to the function of its type. A reason means that the
// event does not fit; changes made until then are dropped.
//
//rules:flat one case a type
func (s *step) apply() string {
	switch b := s.body.(type) {
	case events.TopicPlanned:
		return s.planTopic(b)
	case events.GroupPlanned:
		return s.planGroup(b)
	case events.MigrationCreated:
		return s.create(b)
	case events.StartRequested:
		return s.start()
	case events.PauseRequested:
		return s.pause(b.Reason)
	case events.ResumeRequested:
		return s.resume()
	case events.Approved:
		return s.approve(b)
	case events.CompleteRequested:
		return s.complete()
	case events.CancelRequested:
		return s.cancel(b)
	case events.RateChanged:
		return s.changeRate(b.Rate)
	case events.Checkpoint:
		return ""
	case events.CopyStarted:
		return s.startCopy()
	case events.TargetCreated:
		return s.targetCreated(b)
	case events.CopySynced:
		return s.synced(b)
	case events.CopyStopped:
		return s.stopped(Stop{Position: s.at, Code: b.Code, Partition: b.Partition, From: b.From, To: b.To, Reason: b.Reason})
	case events.CopyFailed:
		return s.stopped(Stop{Position: s.at, Code: "failed", Partition: -1, Reason: b.Effect + ": " + b.Reason})
	case events.RetryRequested:
		return s.retry()
	case events.LossAccepted:
		return s.acceptLoss(b)
	case events.RecopyRequested:
		return s.recopy()
	case events.TargetDeleted:
		return s.targetDeleted(b)
	case events.PartitionsAdded:
		return s.addPartitions(b)
	case events.VerifyOrdered:
		return s.orderVerify(b)
	case events.PartitionVerified:
		return s.partitionVerified(b)
	case events.TopicFinished:
		return s.finishTopic()
	case events.TopicReleased:
		return s.releaseTopic(b)
	case events.ProducerSeen:
		return s.producerSeen(b)
	case events.ProducerRouted:
		return s.producerRouted(b)
	case events.ProducerLeft:
		return s.producerLeft(b)
	case events.CopyShared:
		return s.copyShared(b)
	case events.WritersRolling:
		return s.rollWriters()
	case events.SourceQuiet:
		return s.sourceQuiet(b)
	case events.StrayWrite:
		return s.stray(b)
	case events.AgentSeen:
		return s.agentSeen(b)
	case events.GuardHeld:
		return s.guardHeld(b)
	case events.GuardReleased:
		return s.guardReleased(b)
	case events.Prepared:
		return s.prepared(b)
	case events.HoldOrdered:
		return s.orderHold(b)
	case events.Drained:
		return s.drained(b)
	case events.DrainProven:
		return s.proveDrain(b)
	case events.CutTaken:
		return s.takeCut(b)
	case events.Staged:
		return s.staged(b)
	case events.Resumed:
		return s.resumed(b)
	case events.GroupReleased:
		return s.releaseGroup()
	case events.SwitchRequested:
		return s.bySide(func() string { return s.requestReaders(b) }, func() string { return s.requestWriters(b) })
	case events.SwitchCommitted:
		return s.bySide(s.commitReaders, func() string { return s.commitWriters(b) })
	case events.SwitchCompleted:
		return s.bySide(s.completeReaders, s.completeWriters)
	case events.AbortRequested:
		return s.bySide(func() string { return s.abortReaders(b) }, func() string { return s.abortWriters(b) })
	}
	return "no rule for this type"
}

// bySide picks the group's or the topic's form of a switch event.
func (s *step) bySide(readers, writers func() string) string {
	if s.group != nil {
		return readers()
	}
	return writers()
}
