package log

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
)

// scanner reads one partition of a state topic to its end, again and again. A
// position that has fallen below the log's start (records that later ones
// replaced) moves there.
type scanner struct {
	c         *cluster.Client
	topic     identity
	partition int32
	next      int64
	begun     bool
}

// toEnd hands every record from where the last call ended up to the end that
// the partition has now to visit, in order. reset is called first where the
// topic was created anew: all that was visited before is void.
func (s *scanner) toEnd(ctx context.Context, reset func(), visit func(cluster.Record)) error {
	err := s.read(ctx, visit)
	if errors.Is(err, ErrRecreated) {
		reset()
		s.begun, s.topic = false, identity{topic: s.topic.topic, partition: s.partition}
		err = s.read(ctx, visit)
	}
	return err
}

func (s *scanner) read(ctx context.Context, visit func(cluster.Record)) error {
	if err := s.topic.check(ctx, s.c, false); err != nil {
		return err
	}
	// ListOffsets rather than a fetch's high watermark: a leader elected a
	// moment ago answers it only when its high watermark is no lower than the
	// former leader's (KIP-207).
	end, err := endOf(ctx, s.c, s.topic.topic, s.partition)
	if err != nil {
		return err
	}
	if !s.begun {
		if s.next, err = startOf(ctx, s.c, s.topic.topic, s.partition); err != nil {
			return err
		}
		s.begun = true
	}
	if s.next > end {
		truncated := &TopicError{Err: ErrTruncated, Topic: s.topic.topic, Partition: s.partition, Position: s.next, End: end}
		return cmp.Or[error](s.topic.check(ctx, s.c, true), truncated)
	}
	for s.next < end {
		if err := s.page(ctx, visit); err != nil {
			return fmt.Errorf("read %s/%d from offset %d: %w", s.topic.topic, s.partition, s.next, err)
		}
	}
	return nil
}

func (s *scanner) page(ctx context.Context, visit func(cluster.Record)) error {
	page, err := s.c.Read(ctx, s.topic.topic, s.partition, s.next, cluster.ReadOptions{MaxBytes: fetchBytes})
	if err != nil {
		start, lost := s.topic.lost(ctx, s.c, s.partition, s.next, err)
		if errors.Is(lost, ErrTruncated) && s.next < start {
			s.next = start
			return nil
		}
		return lost
	}
	for _, r := range page.Records {
		visit(r)
	}
	if page.Next == s.next && !pause(ctx, 0) { // a broker that throttles answers at once and with nothing
		return ctx.Err()
	}
	s.next = page.Next
	return nil
}
