// Package replicator copies partitions from one cluster to another, record
// batch by record batch, exactly once, with no state of its own.
//
// A [Worker] runs inside `portage serve` and in `portage work` processes:
//
//	w, err := replicator.New(replicator.Config{
//		Control:  control, // the control cluster
//		Clusters: clusters.Open, // a cluster by its name in directives
//		Name:     incarnation,
//	})
//	go func() { done <- w.Run(ctx) }()
//	...
//	w.Stop() // graceful; cancelling ctx is what a crash would be
//
// It reads what to copy from portage.directives, shares the partitions with
// other workers through the group protocol, and reports in portage.offsets (the
// map), portage.progress (telemetry) and portage.events (CopyStopped,
// CopyShared, PartitionVerified).
//
// # Layers
//
//	core*.go      what to do about one partition: pure, no clock, no I/O
//	partition.go  the shell around a core
//	keeper.go     what a core asks for is done by a few goroutines for all: an
//	              idle partition has none
//	load.go       … for many partitions at once: claims and blocks are read,
//	claim.go      claims published,
//	survey.go     the edges of logs read
//	reader.go     one fetch loop per source broker with an incremental session;
//	seat.go       a partition's place in it
//	buffer.go     how much may wait for its target
//	limiter.go    how many bytes per second may be fetched
//	stream.go     a few produce loops per target broker, one batch of a partition
//	              in a request, one request under way
//	distance.go   how large batches are made for a far target
//	publish.go    map blocks to portage.offsets
//	share.go      the group: who copies what
//	balance.go    even counts, then even bytes per second (rates.go), little moves
//	verify/       both sides compared, for any two topics
//
// # The life of a partition
//
//	claiming ── resolving ── recording ── copying ⇄ rechecking
//	   ↑                                     │          │
//	   └──── fenced (a later owner) ←────────┴──────────┤
//	                                      halted ←──────┘
//
// Claiming: a lineage is a producer id and an epoch of the target. The first
// owner of a partition asks the target for an id, each later one raises the
// epoch by one and starts at sequence 0, so brokers refuse the owner before
// (error 47). Owners are numbered by the owner epoch of their claims. A claim is published and everything read again before it is used;
// [Config.Group]'s lease must hold.
//
// Resolving: a new owner reads the target from the end of the published map to
// the end of the log, finds the lineage's batches by producer id, and aligns
// their records with the source's by digest. What stands there becomes fact,
// what does not is copied.
//
// Recording: the first block of an owner is published before it sends anything,
// so the map's begin is known whatever happens.
//
// Copying: fetched batches pass through with another header where a broker
// would take them, are re-encoded, split or merged where not, are skipped
// (markers, aborted transactions) or refused by name. Everything is acknowledged
// by all replicas at the offset that the map predicts. A position counts once
// the block that holds it is published.
//
// Rechecking: after anything but a clear answer nothing is sent before the log
// was read. What had landed is booked; what had not is sent again byte for byte
// under the same sequence numbers, so a late copy is dropped by the broker.
//
// # Workers come and go
//
// Partitions stay with their workers; one that joins gets its part of every topic
// and of the bytes, and one whose rate has changed much has them shared anew. One
// that leaves (Stop) publishes what it has done and is replaced at once; one that
// dies is when its session has ended. A static member ([Config.Instance]) has its
// partitions again, however it ended, if it is started again before its session
// has. One that was frozen finds its lease ended: it sends and reports nothing, and
// begins anew with whatever the group gives it.
//
// # What stops a partition
//
// Retention that overtakes the copy, a topic that was created again, a foreign
// writer, a batch that the target refuses, a target that lost data or holds a
// record twice: a CopyStopped event names the source offsets, and the partition
// waits for a directive from a later event. The others go on. A partition that
// the source gets is copied, too; once the writers are moving it is not, and a
// stop says so.
//
// # Non-obvious
//
// A producer id that a broker does not know may start at any sequence number, and
// brokers forget producers of old records: so every batch of a partition travels
// alone. A batch of a former owner that
// lands after its successor has looked, and before the successor's first batch,
// is the one case of a doubled record; the successor's first acknowledgement
// shows it, and the partition stops as diverged. Source records that compaction
// removes between copying and resolving leave images without an origin; they
// are told from doubled ones by the digests of what was copied before. Each needs a
// later source record of its key, too: it may be an election that has removed the
// origin, and then only that makes it harmless. To the first owner of a partition they are a foreign writer's. Of a record that is
// doubled and then compacted away on the source nobody can tell.
package replicator
