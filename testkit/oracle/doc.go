// Package oracle judges a migration from outside: by the bytes in the clusters, read in full with a Kafka client of its own
// (franz-go, read committed), and by the journals that package workload kept. It shares no code with the product and asks
// the product nothing.
//
//	entries, err := workload.ReadFiles(paths...)
//	report, err := oracle.Judge(ctx, oracle.Config{Run: "run-1", Source: source, Target: target, Entries: entries,
//		Topics: []oracle.Topic{{Name: "orders"}}, Groups: []oracle.Group{{Name: "billing", Topics: []string{"orders"}}}})
//	if !report.OK() { fmt.Println(report.Table()) }
//
// Call it when producers have stopped, the copy has caught up and the groups are idle: what has not arrived by then is lost.
//
// # What it names
//
// Of the logs, per topic:
//
//	loss         acknowledged or on the source, and not on the target. On a compacted topic a record may be missing if a
//	             later one of its key exists, and a tombstone if it is gone from the source as well
//	duplicate    more than once on the target; counted are the copies beyond the first
//	reorder      on the target behind a later record of its key and producer; or two records that were written to the
//	             source stand in the other order on the target
//	altered      key, value or headers are not what was sent, or differ between source and target, or the timestamp does
//	aborted      of an aborted transaction, and visible
//
// Of the handling, per group; a place is a record of a topic by its identity, however often and wherever it stands:
//
//	reprocessed  handled more often than it stands in any one log (at least once is always allowed); counted is the excess
//	unprocessed  on the target, and never handled to the end. A lost record is named as lost only. On a compacted topic one
//	             that is gone from the source may be skipped by a group that has read past its place there (it handled
//	             a record behind it, or committed an offset behind it) after a later one of its key was written
//	overtaken    begun for the first time before an earlier record of its key, by the order on the target, was handled
//	two clusters handled on one cluster while a record of the same partition was being handled on the other
//
// Records of other runs and foreign records are counted and not judged. Records that are on the target and in no journal are
// counted too: a killed producer may not have journalled what it sent last. Journals of which nothing is of the run, the
// clusters and the topics of the configuration are an error: they prove nothing.
//
// # Excused
//
// Config.Excused lists what killed instances had in their hands (workload.HandsOf). Such a record may be reprocessed,
// overtaken or be on two clusters: it is listed instead of counted. Loss is never excused.
//
// # Pause
//
// For one switch of one group, with its interval [from, to]: take the records that the group handled, of one partition of
// one topic, on either cluster, in order of their beginning. Before each record there is a gap: from the moment at which
// both everything begun earlier was finished and the record was acknowledged to its producer, until it was begun. Time in
// a handler and time without work is thus no pause. The partition's pause is its longest gap that overlaps [from, to];
// partitions without one (no work meanwhile) say nothing. Reported are the 50th and 99th percentile (nearest rank) and the
// maximum over the partitions; as the group's normal, the longest gap that ended before the switch and overlaps the
// interval of equal length just before it; and the whole group's silence: the longest such gap with all partitions taken
// as one.
package oracle
