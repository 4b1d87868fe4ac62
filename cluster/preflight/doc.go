// Package preflight looks, before anything is created, for what could lose
// data in a migration or make it fail half-way. Every check has a number, its
// evidence and a fix; it only reads.
//
//	report, err := preflight.Run(ctx, preflight.Subject{Source: s, Pairs: pairs, Control: c, Groups: groups})
//	for _, f := range report.Findings { ... }
//
// The numbers are stable, so that scripts and policies can name a check; those
// that are missing here are not taken by another one.
//
//	 1  protocol versions         brokers before Kafka 0.11 do not speak the format of batches
//	 2  hazardous versions        the brokers' release is known to lose or double records (Warning)
//	 4  message size              the target's default would refuse batches that the source takes
//	 7  timestamps                the target will refuse old or early records once the copy has ended, or the
//	                              source overwrites timestamps (Warning)
//	 8  retention and cleanup     the target's defaults would delete what the source's keep: by another
//	                              policy, or sooner (Warning)
//	 9  compaction and null keys  a compacted target topic stands for one that is not
//	11  replication               fewer replicas than must be in sync, or than on the source (Warning)
//	12  partitions in trouble     without leader, or with replicas out of sync (Warning)
//	13  open transactions         one that never ends holds the copy back (Warning)
//	14  topics created by asking  the target creates a topic for a client that is early (Warning)
//	15  name collisions           orders.eu and orders_eu are one metric; or the target topic has records
//	22  disk headroom             the target's free disk against the source's size, replicas and a third more
//	24  groups                    KIP-848, other members than consumers, offsets above the end; below the
//	                              start and with metadata (Warning)
//	25  offsets kept elsewhere    Connect, Spark, Flink, Streams: moved by their own means
//	29  partition counts          differ, so keys would change their partition
//	30  cluster ids               one cluster under two names
//	31  control topics            missing, on the source, not compacted, or with few replicas (Warning)
//	32  message format            records older than Kafka 0.11 cannot be copied
//
// What is not marked is a Failure. A check that cannot look is one, too.
package preflight
