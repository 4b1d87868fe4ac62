package verify

import "context"

// lead takes what only one side has at its beginning because retention has come
// further on the other: it may be longer than any window. The time of the other
// side's first record says where the common part begins, or a little before: the
// first record that is as late is its copy, or stands before that. (A map knows
// by itself where the sides begin.) Nothing is saved before the common part.
func (c *comparison) lead(ctx context.Context) error {
	if c.Map != nil || !c.fresh || c.mark.source == 0 && c.mark.target == 0 {
		return nil
	}
	if err := c.wind(ctx, c.mark.source, c.mark.target); err != nil {
		return err
	}
	s, atSource, err := c.tapes[onSource].peek(ctx)
	if err != nil {
		return err
	}
	t, atTarget, err := c.tapes[onTarget].peek(ctx)
	if err != nil || !atSource || !atTarget {
		return err
	}
	switch {
	case c.mark.source > 0 && t.Timestamp < s.Timestamp:
		err = c.leave(ctx, onTarget, s.Timestamp)
	case c.mark.target > 0 && s.Timestamp < t.Timestamp:
		err = c.leave(ctx, onSource, t.Timestamp)
	}
	c.mark.source, c.mark.target = c.tapes[onSource].at(), c.tapes[onTarget].at()
	return err
}

// leave takes the records of one side before the first that is so late.
func (c *comparison) leave(ctx context.Context, side int, time int64) error {
	to, err := c.since(ctx, side, time)
	if err != nil {
		return err
	}
	for {
		r, ok, err := c.tapes[side].peek(ctx)
		if err != nil || !ok || r.Offset >= to {
			return err
		}
		c.tapes[side].take()
		switch {
		case side == onTarget:
			c.tally.explain(SourceExpired, 1)
		case r.Timestamp < c.TargetKeepsFrom:
			c.tally.explain(TargetExpired, 1)
		default:
			p := c.hash.print(r)
			c.tally.add(c.finding(Loss, &p, nil))
		}
	}
}

// firstSince is the offset of the first record of a side that is so late, 0 if
// there is none.
func (c *comparison) firstSince(ctx context.Context, side int, time int64) (int64, error) {
	s := c.sides()[side]
	all, err := s.Client.ListOffsets(ctx, s.Topic, []int32{s.Partition}, time)
	return all[s.Partition], err
}
