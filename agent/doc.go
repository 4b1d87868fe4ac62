// Package agent is the SDK of portage: what a service embeds so that its consumers and producers can be moved from one
// Kafka cluster to another while they run, without a record lost and without a record handled twice.
//
// A service says what it always said (which group, which topics, what to do with a record) and, beside it, how to reach
// every cluster that a migration may name. From then on an instance obeys directives, small orders on the control
// cluster, and acknowledges them. Nobody calls an instance; an instance needs no port.
//
//	consumer, err := agent.NewConsumer(agent.ConsumerConfig{
//		Group: "billing", Topics: []string{"orders"}, Instance: "billing-0",
//		Home: "old", Control: "control",
//		Clusters: map[string]cluster.Config{"old": old, "new": next, "control": control},
//		Handler:  func(ctx context.Context, r agent.Record) error { return bill(ctx, r.Value) },
//	})
//	if err != nil { … }
//	err = consumer.Run(ctx) // until ctx ends; then drains, commits and leaves
//
// # Consumers
//
// Delivery is at least once: a record counts as handled when the handler has returned nil, and only then may its offset be
// committed. Records of one partition are handled one after the other, partitions side by side. A handler that returns an
// error is called again with the same record, after a pause that doubles up to a limit; its partition stands still
// meanwhile, the others go on. A handler that wants to give a record up puts it aside itself and returns nil.
//
// What an instance does, by the order in its group's directive (S the source cluster, T the target):
//
//	source   consume on S. Protocol names portage and range are offered, so that consumers without the SDK may be members.
//	prepare  rejoin S and join T offering portage alone: from then on brokers refuse strangers. Nothing is read from T.
//	         Every assigned position is committed, then Prepared is acknowledged. Consuming goes on, on S.
//	hold     the moving partitions stop: handlers in hand finish, offsets are committed, OnRevoked returns, Drained is
//	         acknowledged. Other partitions flow on. The instance stays a member.
//	stage    owners on T commit the cut (where to go on) under their own generation, only where what T has is absent or
//	         lower, read it back and acknowledge Staged.
//	target   after one heartbeat and one reading of offsets on T, both later than the order, consume on T; acknowledge
//	         Resumed. S is left when the directive allows it.
//
// An order of a lower event position than the one obeyed is ignored, whatever it says. A partition is fetched from a
// cluster only if it is assigned there, the order in force routes it there, the directive was read after joining, and the
// last good heartbeat was sent less than min(session, rebalance timeout) ago on the monotonic clock.
//
// A hold is bounded. An instance whose hold expires asks for an abort in the event log and reads the log up to its own
// request: if no decision precedes it, the switch is aborted and the instance goes back to S at once, with no orchestrator
// alive. If a decision may precede it, the instance stays held until the directive says which.
//
// An instance that starts reads the directive before it joins anything, joins as it says, and reads it again after joining.
// Without the control cluster an instance that starts is not ready and keeps trying; running ones go on as they were.
//
// A partition never begins anywhere by guess: at the group's committed offset, else at this process's own position on that
// cluster, else, on the home cluster only, at Start. An offset that the cluster does not have (deleted by retention, a group
// that was reset) stops the partition with an alarm; nothing is reset. Transactions are read committed.
//
// Partitions that are added to a topic are found within MetadataMaxAge: every instance asks for the counts now and then, and the
// first one that finds more than the assignment was made with rejoins, so that the group rebalances once. From prepare until
// the switch is decided a growth waits.
//
// # Embedding it
//
//   - Roll the SDK out first, with the names of all clusters, and migrate later: a switch needs every member of the group to
//     be an instance of the SDK. Until the switch it mixes with consumers of the range assignor.
//   - Instance is the name of a place, not of a process: one running process per name, the same name after a restart.
//   - Handlers are idempotent or tolerate a repetition: after a crash, an eviction or an abandoned handler the records in
//     hand, and those handled since the last commit, are handled again. A clean switch and a clean stop repeat nothing.
//   - Handlers heed their context. One that hangs beyond the hold of a migration aborts the switch, or is abandoned, as the
//     plan says; an abandoned call keeps its partition waiting in this process until it returns.
//   - Rebalance is longer than the longest handler, and the hold of a migration longer than the usual one.
//   - Home changes in the configuration only after the migration is finished, everywhere at once or one by one.
//   - Alarms ([NoticeAlarm]) reach a person.
//
// # Producers
//
// A producer is idempotent: each partition's batches carry a producer id and a sequence, an unanswered batch is repeated
// with the same sequence until it is answered, and never sent to another cluster. One batch of a partition is under way at a
// time. Which cluster it writes to is found once, at the start, and holds for the life of the process: see [Producer].
// Added partitions are written to within MetadataMaxAge.
//
// # What is decided elsewhere
//
// The package imports none of the state machines: services upgrade slowly, the orchestrator decides. The rules above live in
// agent/internal/consume and agent/internal/produce, cores without I/O; this package runs them on Kafka. All exported
// functions may be used from several goroutines at once. There is no global state, and nothing is read from the environment.
package agent
