package verify

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Run compares partitions, several at a time, and returns their results in the
// order of the requests. What could not be read is in the results, too
// (Result.Problem); the error is a configuration's, or the context's.
func Run(ctx context.Context, cfg Config, requests []Request) ([]Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &runner{cfg: cfg, results: make([]Result, len(requests)), reported: make([]counted, len(requests))}
	r.progress.Partitions = len(requests)
	all := make([]*comparison, len(requests))
	r.each(len(requests), func(i int) {
		c, err := prepare(ctx, &r.cfg, requests[i], &r.results[i])
		if err != nil {
			r.results[i].conclude(err)
			return
		}
		all[i] = c
	})
	r.begin(all)
	r.each(len(requests), func(i int) {
		if all[i] != nil {
			r.results[i].conclude(all[i].run(ctx))
		}
		r.ended()
	})
	return r.results, ctx.Err()
}

// Compare compares one partition, decoding every record, with a key that is the
// same everywhere: equal records have equal digests. The error says that
// something could not be read; differences are in the result.
func Compare(ctx context.Context, q Request) (Result, error) {
	cfg := Config{Deep: true, Key: make([]byte, keyBytes)}
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	var res Result
	c, err := prepare(ctx, &cfg, q, &res)
	if err == nil {
		c.advanced = func(bool) error { return nil }
		err = c.run(ctx)
	}
	if err != nil && !errors.Is(err, errUnaligned) {
		return Result{}, err
	}
	res.conclude(nil)
	return res, nil
}

// conclude draws the conclusion.
func (r *Result) conclude(err error) {
	if err != nil {
		r.Problem = err.Error()
	}
	switch {
	case r.Count > 0:
		r.Verdict = Different
	case r.Problem != "":
		r.Verdict = Unknown
	default:
		r.Verdict = Identical
	}
}

// runner compares several partitions.
type runner struct {
	cfg     Config
	results []Result

	mu       sync.Mutex
	progress Progress
	reported []counted // by request: what the progress has of it
}

// counted is what of a partition the progress has counted.
type counted struct{ offsets, records, differences int64 }

// each calls f for every partition, several at a time, and waits for all.
func (r *runner) each(n int, f func(i int)) {
	var g errgroup.Group
	g.SetLimit(r.cfg.Parallel)
	for i := range n {
		g.Go(func() error {
			f(i)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
}

// begin counts what is to be done.
func (r *runner) begin(all []*comparison) {
	for i, c := range all {
		if c == nil {
			continue
		}
		from := c.mark
		r.progress.Total += max(0, c.bounds[onSource]-from.source)
		r.reported[i] = counted{from.source, from.records, c.res.Count}
		c.advanced = func(final bool) error { return r.advanced(i, final) }
	}
}

// advanced reports how far a partition has come, and saves what is final.
func (r *runner) advanced(i int, final bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	res, was := &r.results[i], &r.reported[i]
	now := counted{res.Verified.Source, res.Records, res.Count}
	r.progress.Offsets += now.offsets - was.offsets
	r.progress.Records += now.records - was.records
	r.progress.Differences += now.differences - was.differences
	*was = now
	r.report()
	if final && r.cfg.Save != nil {
		so := res.clone()
		so.conclude(nil)
		return r.cfg.Save(i, so)
	}
	return nil
}

func (r *runner) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Done++
	r.report()
}

func (r *runner) report() {
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.progress)
	}
}
