package verify

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// Now, as Request.UpTo, is the end that the source has when the comparison
// begins; with a map not more than what is copied.
const Now int64 = -1

// prepare finds out what is to be compared; the result is filled as it goes on.
func prepare(ctx context.Context, cfg *Config, q Request, res *Result) (*comparison, error) {
	*res = Result{}
	if q.After != nil {
		*res = q.After.clone()
		res.Problem, res.Behind = "", false
	}
	res.Partition, res.Losses = q.Source.Partition, q.losses()
	c := &comparison{Config: cfg, judge: newJudge(&q), hash: newHasher(cfg.Key), res: res, tally: newTally(res, cfg), fresh: q.After == nil}
	c.open, c.end, c.since = c.tape, c.stable, c.firstSince
	if err := c.bound(ctx); err != nil {
		return nil, err
	}
	return c, c.place(ctx)
}

// bound finds the offsets up to which both sides are compared. Without a map the
// target's end is asked for first: whatever it holds, the source has by then.
func (c *comparison) bound(ctx context.Context) (err error) {
	at := cluster.Latest
	if c.Map == nil {
		at = cluster.Stable
	}
	if c.bounds[onTarget], err = c.Target.offset(ctx, at, "end"); err != nil {
		return err
	}
	if c.UpTo == Now {
		if c.UpTo, err = c.stable(ctx, onSource); err != nil {
			return err
		}
		if c.Map != nil {
			c.UpTo = min(c.UpTo, c.Map.Watermark())
		}
	}
	c.bounds[onSource], c.res.UpTo = c.UpTo, c.UpTo
	if c.Map == nil {
		return nil
	}
	if c.UpTo > c.Map.Watermark() {
		return fmt.Errorf("%w: the map reaches source offset %d, wanted is %d", ErrNotYet, c.Map.Watermark(), c.UpTo)
	}
	c.bounds[onTarget] = min(c.bounds[onTarget], c.images.end(c.Map.Begin().Target, c.UpTo))
	return nil
}

// place finds the offsets from which both sides are compared.
func (c *comparison) place(ctx context.Context) error {
	from, err := c.from(ctx)
	if err != nil {
		return err
	}
	if from.Source > c.UpTo && c.After != nil {
		return fmt.Errorf("%s was compared up to %d, and is to be compared up to %d: was the topic created anew? then begin without the earlier result", c.Source, from.Source, c.UpTo)
	}
	c.begin(from)
	return nil
}

// begin places the comparison.
func (c *comparison) begin(from offsetmap.Pair) {
	if c.After == nil {
		c.res.From, c.res.Verified, c.res.LookBack = from, from, from.Target
	}
	c.mark = mark{source: from.Source, target: from.Target, records: c.res.Records, passed: c.res.Passed}
	c.mark.chains[0] = c.res.Digest
	c.trail = []mark{{target: c.res.LookBack, records: c.res.Records}}
	c.displaced = c.res.OffMap
}

func (c *comparison) from(ctx context.Context) (from offsetmap.Pair, err error) {
	switch {
	case c.After != nil:
		return c.After.Verified, nil
	case c.Map != nil:
		return c.Map.Begin(), nil
	}
	if from.Source, err = c.Source.offset(ctx, cluster.Earliest, "log start"); err != nil {
		return from, err
	}
	from.Target, err = c.Target.offset(ctx, cluster.Earliest, "log start")
	return from, err
}

// stable is the end of what is committed on a side.
func (c *comparison) stable(ctx context.Context, side int) (int64, error) {
	return c.sides()[side].offset(ctx, cluster.Stable, "end")
}

func (c *comparison) sides() [2]Side { return [2]Side{c.Source, c.Target} }

// offset asks for one offset of a side.
func (s Side) offset(ctx context.Context, at int64, what string) (int64, error) {
	all, err := s.Client.ListOffsets(ctx, s.Topic, []int32{s.Partition}, at)
	if err != nil {
		return 0, fmt.Errorf("read the %s of %s: %w", what, s, err)
	}
	return all[s.Partition], nil
}

// tape opens a side.
func (c *comparison) tape(ctx context.Context, side int, from, until int64) (tape, error) {
	return open(ctx, pager{Side: c.sides()[side], until: until, bytes: int32(c.FetchBytes), patience: c.Patience, exact: c.Map == nil}, from)
}
