// Package log writes and reads the four control topics of portage: it is the
// shell around package events that knows Kafka.
//
//	portage.events      Appender, Reader, End, TopicID   one total order of facts
//	portage.directives  Directives, Tail                 the latest order to each addressee
//	portage.offsets     Offsets, OffsetsTail             claims of lineages, blocks of the map
//	portage.progress    Progress, ProgressTail           the workers' latest reports
//
// [Init] creates them, [Check] judges them. That the cluster is not the source
// of a migration is for the caller to see to.
//
// # What may be believed
//
// An append whose acknowledgement was lost may be in the log, may not, or may
// get there later. [Appender] reads back from the end that it knew before it
// sent, up to a proven end: the end of the leader's log (OffsetForLeaderEpoch)
// once the high watermark has reached it. Only then is an absent event sent
// again, under another record key. A request that is still on its way may
// bring a second copy after that; it is one event all the same, because the
// fold goes by the event's id.
//
// Keys of the other topics are overwritten, so a late copy of an older value
// would do harm there. They are written with Kafka's idempotent producer: one
// batch at a time to each partition, repeated under the same sequence number
// until it is answered, and fenced by a raised producer epoch when it is given
// up.
//
// Nobody resets a position: a log that is shorter than a reader's position
// ([ErrTruncated]) or that was deleted and created again ([ErrRecreated]) is
// an error with both ends in it.
//
// # Use
//
// Every type is safe for use by several goroutines, but a [Reader] and a
// [Follower], which belong to one. Goroutines run only behind a Follower, from
// its first Next until Close, which waits for them.
package log
