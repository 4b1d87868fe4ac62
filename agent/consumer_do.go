package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// do starts an action. Nothing here waits.
//
//rules:flat one case an action
func (l *loop) do(a consume.Action) {
	switch a := a.(type) {
	case consume.ReadDirective:
		l.work.Go(func() { l.readDirective(a) })
	case consume.Join:
		l.fetcher(a.Cluster, a.Offer.Topics)
		l.seats[a.Side] = sit(l.ctx, &l.work, l.clusters, a, l.cfg.member(a.Offer, l.bare), l.cfg.MetadataMaxAge, l.post)
	case consume.Tell:
		if t := l.seats[a.Side]; t != nil {
			t.tell(a.Input)
		}
	case consume.Forget:
		if t := l.seats[a.Side]; t != nil {
			t.cancel()
			l.seats[a.Side] = nil
		}
	case consume.Open:
		l.open(a.Lane)
	case consume.Shut:
		if lane := l.lanes[a.Lane]; lane != nil {
			if lane.stop(); a.Cancel {
				lane.cancel()
			}
		}
	case consume.Abandon:
		if lane := l.lanes[a.Lane]; lane != nil {
			l.work.Go(lane.abandon)
		}
	case consume.FindStarts:
		l.work.Go(func() { l.findStarts(a) })
	case consume.Call:
		l.hooks.push(func() { l.call(a) })
	case consume.Append:
		l.outbox.push(func() { l.append(a.Event) })
	case consume.ReadEvents:
		l.work.Go(func() { l.readEvents(a) })
	case consume.LogIn:
		l.work.Go(func() { l.logIn(a) })
	case consume.Notice:
		l.notice(noticeOf(a))
	case consume.Done:
		l.finished = true
	}
}

func (l *loop) readDirective(a consume.ReadDirective) {
	in := consume.DirectiveRead{Seq: a.Seq}
	err := again(l.ctx, l.log, "read the directive", func() (err error) {
		in.Directive, in.Found, _, err = l.control.latest(l.ctx, l.key)
		return err
	})
	if err == nil {
		l.post(in)
	}
}

// open starts a lane and lets the fetcher of its cluster know.
func (l *loop) open(spec consume.Lane) {
	var after <-chan struct{}
	if former := l.latest[spec.Partition]; former != nil {
		after = former.done
	}
	t := l.seats[spec.Side]
	lane := newLane(l.ctx, spec, &l.cfg, after)
	lane.seen, lane.lease = l.opts.observe, t.lease
	f := l.fetcher(spec.Cluster, nil)
	lane.hungry = f.wake
	lane.report = func(in consume.LaneClosed) {
		f.remove(spec.ID)
		l.post(in)
	}
	l.prune()
	l.lanes[spec.ID], l.latest[spec.Partition] = lane, lane
	l.hands.Go(lane.run)
	f.add(lane)
}

// prune forgets lanes that have ended.
func (l *loop) prune() {
	for id, lane := range l.lanes {
		select {
		case <-lane.done:
			delete(l.lanes, id)
		default:
		}
	}
}

// fetcher returns the fetcher of a cluster. It is made when the cluster's group is joined, so that connections stand and leaders
// are known when the first lane opens.
func (l *loop) fetcher(name string, topics []string) *fetcher {
	f := l.fetchers[name]
	if f == nil {
		f = newFetcher(l.clusters, name, topics, l.opts, func(at *lane, text string) {
			p := TopicPartition{Topic: at.spec.Partition.Topic, Partition: at.spec.Partition.ID}
			l.notice(Notice{Kind: NoticeAlarm, Side: at.spec.Side.String(), Text: text, Partition: &p, Position: l.state.Load().Position})
		})
		l.fetchers[name] = f
		l.work.Go(func() { f.run(l.ctx) })
	}
	return f
}

// findStarts asks where partitions without a commit begin.
func (l *loop) findStarts(a consume.FindStarts) {
	in := consume.StartsFound{Seq: a.Seq}
	err := again(l.ctx, l.log, "find where to begin", func() error {
		c, err := l.clusters.get(l.ctx, a.Cluster)
		if err == nil {
			in.Offsets, err = starts(l.ctx, c, a)
		}
		return err
	})
	if err == nil {
		l.post(in)
	}
}

// starts asks once for all partitions of a topic that begin at the same end.
func starts(ctx context.Context, c *cluster.Client, a consume.FindStarts) (map[consume.Partition]int64, error) {
	type question struct {
		topic string
		at    int64
	}
	partitions := map[question][]int32{}
	for p, start := range a.At {
		q := question{topic: p.Topic, at: cluster.Earliest}
		if start == consume.StartLatest {
			q.at = cluster.Latest
		}
		partitions[q] = append(partitions[q], p.ID)
	}
	found := make(map[consume.Partition]int64, len(a.At))
	for q, list := range partitions {
		offsets, err := c.ListOffsets(ctx, a.Topics[q.topic], list, q.at)
		if err != nil {
			return nil, err
		}
		for n, at := range offsets {
			found[consume.Partition{Topic: q.topic, ID: n}] = at
		}
	}
	return found, nil
}

// call runs a hook of the service.
func (l *loop) call(a consume.Call) {
	switch {
	case a.Assigned && l.cfg.OnAssigned != nil:
		l.cfg.OnAssigned(l.ctx, Assignment{Cluster: a.Cluster, Partitions: outside(a.Partitions)})
	case !a.Assigned && l.cfg.OnRevoked != nil:
		l.cfg.OnRevoked(l.ctx, Revocation{Cluster: a.Cluster, Partitions: outside(a.Partitions), Lost: a.Lost})
	}
	l.post(consume.Returned{Seq: a.Seq})
}

// controlFails: held partitions wait for the control cluster, and somebody should know.
func (l *loop) controlFails(what string, err error) {
	if s := l.state.Load(); !s.Held.IsZero() {
		l.notice(Notice{Kind: NoticeAlarm, Position: s.Position, Text: fmt.Sprintf(
			"partitions are held since %s and the control cluster does not answer: %s: %v", s.Held.Format(time.TimeOnly), what, err)})
	}
}

func (l *loop) append(e events.Event) {
	at, err := l.control.append(l.ctx, e)
	if err != nil {
		if l.ctx.Err() == nil {
			l.notice(Notice{Kind: NoticeAlarm, Text: fmt.Sprintf("event %s was refused: %v", e.Type, err)})
		}
		return
	}
	l.post(consume.Appended{ID: e.ID, Position: at})
}

func (l *loop) readEvents(a consume.ReadEvents) {
	if all, err := l.control.read(l.ctx, a.From, a.To); err == nil {
		l.post(consume.EventsRead{Seq: a.Seq, Records: all})
	}
}

// logIn tries a cluster: opening it authenticates, and an open one is asked something.
func (l *loop) logIn(a consume.LogIn) {
	ctx, cancel := context.WithTimeout(l.ctx, attemptTimeout)
	defer cancel()
	in := consume.LoggedIn{Cluster: a.Cluster}
	c, err := l.clusters.get(ctx, a.Cluster)
	if err == nil {
		_, _, err = c.Brokers(ctx)
	}
	if err != nil {
		in.Err = err.Error()
	}
	l.post(in)
}

func (l *loop) notice(n Notice) {
	level := zerolog.InfoLevel
	switch n.Kind {
	case NoticeAlarm:
		level = zerolog.WarnLevel
	case NoticeStale:
		level = zerolog.DebugLevel
	}
	e := l.log.WithLevel(level).Str("kind", string(n.Kind)).Str("side", n.Side).Int64("position", n.Position)
	if n.Partition != nil {
		e = e.Stringer("partition", n.Partition)
	}
	if n.Pause > 0 {
		e = e.Dur("pause", n.Pause)
	}
	e.Msg(n.Text)
	if l.opts.observe.Notice != nil {
		l.opts.observe.Notice(n)
	}
}
