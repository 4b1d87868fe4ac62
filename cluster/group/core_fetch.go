package group

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchJob is a Fetch until it is answered.
type fetchJob struct {
	in         Fetch
	generation int32  // when it was sent
	request    uint64 // in flight, else 0
	next       time.Time
	tries      int
}

func (c *Core) addFetch(in Fetch) {
	if c.generation == none || c.phase == leaving {
		c.emit(Fetched{ID: in.ID, Generation: none, Err: c.outsideFetch()})
		return
	}
	c.fetches = append(c.fetches, &fetchJob{in: in})
}

func (c *Core) outsideFetch() error {
	if c.phase == fenced {
		return ErrFenced
	}
	return ErrNotMember
}

func (c *Core) pumpFetches(now time.Time) {
	for _, job := range c.fetches {
		if job.request != 0 || now.Before(job.next) || c.generation == none {
			continue
		}
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Group, r.RequireStable = c.cfg.Group, true
		if job.in.Topics != nil { // null means all topics, an empty list none
			r.Topics = []kmsg.OffsetFetchRequestTopic{}
		}
		for _, topic := range slices.Sorted(maps.Keys(job.in.Topics)) {
			t := kmsg.NewOffsetFetchRequestTopic()
			t.Topic, t.Partitions = topic, job.in.Topics[topic]
			r.Topics = append(r.Topics, t)
		}
		job.generation = c.generation
		job.request = c.ask(now, opFetch, r, c.cfg.Request)
	}
}

func (c *Core) onFetch(now time.Time, r request, in Reply) {
	i := slices.IndexFunc(c.fetches, func(job *fetchJob) bool { return job.request == in.ID })
	if i < 0 {
		return
	}
	job := c.fetches[i]
	job.request = 0
	resp, ok := in.Response.(*kmsg.OffsetFetchResponse)
	if in.Err != nil || !ok {
		job.tries++
		job.next = c.again(now, opFetch, in.Err, job.tries)
		return
	}
	offsets, code, err := c.readOffsets(resp)
	if code == codeUnstableOffset || passing(code) {
		job.tries++
		job.next = c.again(now, opFetch, err, job.tries)
		return
	}
	if err == nil && (r.generation != c.generation || r.member != c.id) {
		offsets, err = nil, ErrGeneration
	}
	c.fetches = slices.Delete(c.fetches, i, i+1)
	c.emit(Fetched{ID: job.in.ID, Generation: job.generation, Offsets: offsets, Err: err})
}

// readOffsets returns the offsets, or the first error in the answer; a code that goes away by itself last.
func (c *Core) readOffsets(resp *kmsg.OffsetFetchResponse) (map[string]map[int32]Stored, int16, error) {
	if resp.ErrorCode != codeOK {
		return nil, resp.ErrorCode, c.failure(opFetch, resp.ErrorCode)
	}
	out := map[string]map[int32]Stored{}
	for _, t := range resp.Topics {
		out[t.Topic] = map[int32]Stored{}
		for _, p := range t.Partitions {
			if p.ErrorCode != codeOK {
				return nil, p.ErrorCode, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, c.failure(opFetch, p.ErrorCode))
			}
			s := Stored{At: p.Offset, LeaderEpoch: p.LeaderEpoch}
			if p.Metadata != nil {
				s.Metadata = *p.Metadata
			}
			out[t.Topic][p.Partition] = s
		}
	}
	return out, codeOK, nil
}

func (c *Core) failFetches(err error) {
	for _, job := range c.fetches {
		c.drop(&job.request)
		c.emit(Fetched{ID: job.in.ID, Generation: none, Err: err})
	}
	c.fetches = nil
}
