package main

// mutations are mistakes that would lose, double or misplace records, one for
// each rule that the replicator's core lives by.
func mutations() []mutation {
	return []mutation{
		{"what was doubtful is sent again without a look", []edit{
			{"replicator/core_ack.go", "\t\tc.phase = rechecking\n\t\tc.beginResolve()\n", "\t\tq.doubt, q.reorder = \"\", false\n"}}},
		{"a wrong sequence after a batch", []edit{
			{"replicator/core_copy.go", "c.queue.sequence = p.After(count).Sequence", "c.queue.sequence = p.After(count + 1).Sequence"}}},
		{"an owner publishes the sequence before its last batch", []edit{
			{"replicator/core_ack.go", "c.ledger.sequence = it.producer.After(it.count).Sequence", "c.ledger.sequence = it.producer.Sequence"}}},
		{"sequences wrap a number too early", []edit{
			{"cluster/batch/batch.go", "int32((int64(p.Sequence) + int64(n)) & 0x7fffffff)", "int32((int64(p.Sequence) + int64(n)) % 0x7fffffff)"}}},
		{"an owner takes its predecessor's epoch", []edit{
			{"replicator/core_claim.go", "k.choose(last.ProducerID, last.ProducerEpoch+1)", "k.choose(last.ProducerID, last.ProducerEpoch)"},
			{"replicator/core_claim.go", "c.ProducerEpoch > last.ProducerEpoch", "c.ProducerEpoch >= last.ProducerEpoch"}}},
		{"a claim is used without reading all claims again", []edit{
			{"replicator/core_claim.go", "c.claims.mine, c.claims.state = published, askLoad", "c.claims.mine, c.claims.owners = published, append(c.claims.owners, published)\n\tc.claims.ours[published.ProducerID] = struct{}{}\n\tc.own()"}}},
		{"a batch is sent before the one before it is answered", []edit{
			{"replicator/core_copy.go", ` && !c.queue.flying`, ""}}},
		{"the lease is not looked at before a batch is sent", []edit{
			{"replicator/core_copy.go", " || now >= lease", ""}}},
		{"a batch that timed out (error 7) counts as replicated", []edit{
			{"replicator/core_ack.go", "\tcase 0:\n", "\tcase 0, 7:\n"}}},
		{"a batch that timed out (error 7) counts as refused", []edit{
			{"replicator/core_ack.go", "case 32, 42, ", "case 7, 32, 42, "}}},
		{"a batch that timed out (error 7) is appended as a later one", []edit{
			{"replicator/core_ack.go", "\tdefault:\n\t\tc.doubt(\"error %d %s\", a.code, a.message)\n", "\tdefault:\n\t\tit.producer = it.producer.After(it.count)\n\t\t_ = it.bytes.Rewrite(it.producer)\n\t\tc.queue.sequence = it.producer.After(it.count).Sequence\n"}}},
		{"the base offset of an answer is not compared", []edit{
			{"replicator/core_ack.go", "\t\treturn it.base == c.ledger.expected\n", "\t\treturn true\n"}}},
		{"the map is off by one", []edit{
			{"replicator/core_ledger.go", "offsetmap.Run{Source: r.source, Target: target, Count: r.count}", "offsetmap.Run{Source: r.source, Target: target + 1, Count: r.count}"}}},
		{"the position counts before the map is published", []edit{
			{"replicator/core.go", "func (c *core) watermark() int64 { return c.ledger.counts }", "func (c *core) watermark() int64 { return c.ledger.current.Watermark() }"}}},
		{"a publication of a former claim counts", []edit{
			{"replicator/core.go", "if p.claim != c.claims.mine.Nonce {", "if false {"}}},
		{"an aborted batch is copied", []edit{
			{"replicator/core_page.go", "Aborted: filter.Aborted(b), ", "Aborted: filter.Aborted(b) && false, "}}},
		{"offsets up to the high watermark count as empty, not up to the last stable one", []edit{
			{"replicator/core_copy.go", "c.skip(p.stable)", "c.skip(p.high)"}}},
		{"flags of the source's batch are kept (append time, delete horizon)", []edit{
			{"cluster/batch/batch.go", "b.stamp(p, b.u16(offAttributes)&codecMask)", "b.stamp(p, b.u16(offAttributes)&^0x30)"}}},
		{"a foreign writer is overlooked", []edit{
			{"replicator/core_resolve.go", "func (c *core) judgeForeign(b batch.Batch) bool {\n\tif c.shared {", "func (c *core) judgeForeign(b batch.Batch) bool {\n\tif true {"}}},
		{"a new owner does not read the target's tail", []edit{
			{"replicator/core_resolve.go", "\tc.beginTarget()\n", "\tr.from = r.targetEnd\n\tc.scanned()\n"}}},
		{"a new owner takes the target's high watermark for its end", []edit{
			{"replicator/core_settle.go", "return high >= s.end", "s.end = min(s.end, high)\n\treturn true"}}},
		{"a second copy counts as the image of a record that is gone", []edit{
			{"replicator/core_align.go", "return known || before", "return false && (known || before)"}}},
		{"another batch at the end of the map is not noticed", []edit{
			{"replicator/core_tail.go", "\tt, p := &c.resolve.tail, b.Producer()\n", "\tif true {\n\t\treturn true\n\t}\n\tt, p := &c.resolve.tail, b.Producer()\n"}}},
		{"a target that ends below the map is not noticed", []edit{
			{"replicator/core_resolve.go", "c.ledger.expected > b.targetEnd {", "false && c.ledger.expected > b.targetEnd {"}}},
		{"out of range is taken as: go on at the log start", []edit{
			{"replicator/core_copy.go", "case from < start && c.untouched():", "case from < start:"}}},
		{"a topic's id is not compared", []edit{
			{"replicator/identity.go", "have != [16]byte{} && has != id {", "have == [16]byte{} {"}}},
		{"what a source election has removed is not noticed", []edit{
			{"replicator/core_epoch.go", "case end >= 0 && end < c.held:", "case false:"}}},
		{"a page of the former leader is taken", []edit{
			{"replicator/core_copy.go", "if stale || ", "if false && stale || "}}},
		{"records that a person gave up are copied", []edit{
			{"replicator/core_loss.go", "\tcase c.pastLoss(s.from) >= s.next:\n\t\ts.class = batch.Skip\n", ""},
			{"replicator/core_copy.go", "r.Offset >= it.from && !c.lost(r.Offset)", "r.Offset >= it.from"}}},
	}
}
