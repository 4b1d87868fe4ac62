// Package verify proves that two topics hold the same records, or says exactly
// what differs: key, value, ordered headers, timestamp, order and number.
//
//	results, err := verify.Run(ctx, verify.Config{}, []verify.Request{{
//		Source: verify.Side{Client: from, Topic: "orders", Partition: 3},
//		Target: verify.Side{Client: to, Topic: "orders", Partition: 3},
//		Map:    &m,         // nil: align by order, whatever the offsets
//		UpTo:   verify.Now, // or a source offset
//	}})
//
// It reads both sides through its own decoder, which shares no code with the
// copier, so that a fault in one shows in the other. Committed records are
// compared, as consumers see them: of a batch with LogAppendTime the time is the
// broker's, the batch's largest (Result.Stamped names such sides).
//
// # Two tiers
//
//	read ahead │ batch for batch: equal stored bytes are equal records      [Config.Deep: not]
//	           │ else record for record: keyed digests of 128 bits, chained
//	range      │ both chains equal: the range is verified, the result saved
//	           └ else: bisect to the last mark where they are, and open a window there
//	window     │ align by digests, growing until the sides are in step again
//	           └ name what does not fit, and go on with ranges behind it
//
// A range is [Config.Range] records, with a mark at every [Config.Step]. With an
// offset map the record at a source offset belongs to the one at its image;
// without one the first belongs to the first, and so on.
//
// # What differs
//
// A window (core_window.go) asks in this order: what is equal and in order on
// both sides; what is equal and out of order ([Reorder]); what may be alone, by
// the map and the log starts; what the target repeats ([Duplicate]); what is the
// same record with another field ([Corrupted], [Headers], [Timestamp]: two equal
// fields at least, or its place by the map, tell that). The rest is a [Loss] or
// [Extra]. Records that stand elsewhere than the map says are [Displaced], in
// runs, but for those that a record out of order has shifted.
//
// # What may be alone
//
// The source may lack what the target has: its retention or its cleaner took it
// after the copy (by map the policy is enough, for nothing is lost). The target
// must not lack what the source has, but for what was given up, what retention
// has taken there (if asked for), and what its cleaner took: then a later record
// of the key must stand there, or the record be a tombstone. Without a map, where
// holes and faults look alike, the same proof is wanted for both sides; what lies
// before the first common record is then found by its time (lead.go).
//
// # Limits
//
// Memory does not grow with the partition: four fetches, and while a difference
// is looked at at most [Config.Window] records of each side, some 200 bytes each.
// A stretch of difference longer than that ends the comparison of a partition
// without a map ([Unaligned]). A record that was moved further than its window is
// found as a loss and an extra one, which are then made one [Reorder] as long as
// both are listed; what repeats a record more than [Config.LookBack] back is
// called extra.
//
// # Going on
//
// A [Result] is all that a later comparison needs ([Request.After]): up to where
// both sides were accounted for, the chain of digests there, and what was found.
// It does not depend on how often a comparison was interrupted.
package verify
