package replicator

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/portage-kafka/portage/cluster"
)

// links are the worker's connections to source and target clusters, by name.
type links struct {
	w    *Worker
	work sync.WaitGroup // of readers and streams

	mu     sync.Mutex
	byName map[string]*link
}

// link is one cluster with the loops that read from and write to its brokers.
type link struct {
	*cluster.Client // nil until connected
	w               *Worker
	name            string // in directives
	connecting      sync.Mutex
	// buffer counts the fetched bytes that wait for this cluster.
	buffer buffer

	mu      sync.Mutex
	readers map[int32]*reader
	streams map[streamID]*stream
}

type streamID struct {
	broker int32
	index  int
}

func newLinks(w *Worker) *links { return &links{w: w, byName: map[string]*link{}} }

// to returns the link to a cluster, connecting if there is none.
func (l *links) to(ctx context.Context, name string) (*link, error) {
	have := l.named(name)
	have.connecting.Lock()
	defer have.connecting.Unlock()
	if have.Client == nil {
		c, err := l.w.cfg.Clusters(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("connect to cluster %q: %w", name, err)
		}
		have.Client = c
	}
	return have, nil
}

func (l *links) named(name string) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName[name] == nil {
		l.byName[name] = newLink(l.w, name)
	}
	return l.byName[name]
}

func newLink(w *Worker, name string) *link {
	l := &link{w: w, name: name, readers: map[int32]*reader{}, streams: map[streamID]*stream{}}
	l.buffer = buffer{limit: w.cfg.TargetBuffer, opened: w.links.nudge}
	return l
}

// nudge lets all readers look again at who may fetch.
func (l *links) nudge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, have := range l.byName {
		have.nudge()
	}
}

func (l *link) nudge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.readers {
		signal(r.wake)
	}
}

// wait waits for all loops, whose contexts have ended.
func (l *links) wait() { l.work.Wait() }

// reader returns the loop that fetches from a broker.
func (l *link) reader(ctx context.Context, broker int32) *reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.readers[broker]
	if r == nil {
		r = newReader(l, broker)
		l.readers[broker] = r
		l.w.links.work.Go(func() { r.run(ctx) })
	}
	return r
}

// stream returns the loop that sends a partition's batches to a broker: always
// the same one, so that their order is kept.
func (l *link) stream(ctx context.Context, broker int32, topic string, number int32) *stream {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s/%d", topic, number)
	id := streamID{broker: broker, index: int(h.Sum32() % uint32(l.w.cfg.Streams))}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[id]
	if s == nil {
		s = newStream(l, broker)
		l.streams[id] = s
		l.w.links.work.Go(func() { s.run(ctx) })
	}
	return s
}
