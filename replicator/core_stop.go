package replicator

import "fmt"

// Codes of CopyStopped: stable words, part of the event's contract.
const (
	CodeOutOfRange    = "out-of-range"   // the source no longer has the records
	CodeRecreated     = "recreated"      // a topic was deleted, or created again
	CodeAdded         = "added"          // the source has a partition that is not copied
	CodeForeignWriter = "foreign-writer" // somebody else writes to the target
	CodeRefusedBatch  = "refused-batch"  // a batch cannot be copied
	CodeDiverged      = "diverged"       // the two sides contradict the map
	CodeUnauthorized  = "unauthorized"   // the clusters deny access
	CodeFailed        = "failed"         // anything else that retries do not mend
)

// stopping is why a partition is not copied any further.
type stopping struct {
	code string
	// from and to bound the source offsets concerned, [from, to).
	from, to int64
	reason   string
	// reported is true once the stop stands in the log.
	reported bool
}

// halt ends the copy at once; what is on its way is still awaited. What was found
// out up to there in a resolve is not published: who tries again has to meet the
// same.
func (c *core) halt(code string, from, to int64, format string, args ...any) {
	if c.phase == halted {
		return
	}
	if c.phase == resolving {
		c.ledger.disown()
	}
	c.phase = halted
	c.stop = &stopping{code: code, from: from, to: to, reason: fmt.Sprintf(format, args...)}
}

// haltAfter ends the copy once everything fetched before is on the target.
func (c *core) haltAfter(code string, from, to int64, format string, args ...any) {
	if c.stop == nil && c.phase != halted {
		c.stop = &stopping{code: code, from: from, to: to, reason: fmt.Sprintf(format, args...)}
	}
	c.haltIfDone()
}

// haltIfDone carries out a haltAfter.
func (c *core) haltIfDone() {
	if c.stop != nil && c.phase == copying && len(c.queue.items) == 0 {
		c.phase = halted
	}
}
