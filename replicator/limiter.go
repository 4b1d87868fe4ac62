package replicator

import (
	"maps"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
)

// limiter bounds how many bytes per second are fetched. Directives bound all
// workers together; each takes as much of a bound as it has of the partitions, so
// together they never exceed it.
type limiter struct {
	// changed is called when bounds have changed.
	changed func()

	mu     sync.Mutex
	tokens map[limit]*tokens
}

// limit names a bound: of a migration, or of what it reads from or writes to one
// cluster.
type limit struct{ migration, cluster string }

// tokens is a token bucket: it fills with rate bytes per second up to what
// tokenTime brings, and what is taken beyond that is paid back before more is
// given. Times are those of the worker's clock.
type tokens struct {
	rate float64
	have float64
	at   time.Duration
	// owing is true from when nothing is left until half a bucketful is there
	// again: partitions leave and join fetch sessions in crowds, not at every byte.
	owing bool
}

// tokenTime is how long it takes to fill an empty bucket.
const tokenTime = time.Second

func newLimiter(changed func()) *limiter {
	return &limiter{changed: changed, tokens: map[limit]*tokens{}}
}

// set puts bounds in force, in bytes per second; there are no others then.
func (l *limiter) set(rates map[limit]float64, now time.Duration) {
	if l.replace(rates, now) {
		l.changed()
	}
}

func (l *limiter) replace(rates map[limit]float64, now time.Duration) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.tokens)
	maps.DeleteFunc(l.tokens, func(k limit, _ *tokens) bool { _, bound := rates[k]; return !bound })
	changed = len(l.tokens) != before
	for k, rate := range rates {
		t := l.tokens[k]
		switch {
		case t == nil:
			l.tokens[k] = &tokens{rate: rate, at: now}
		case t.rate != rate:
			t.fill(now)
			t.rate = rate
		default:
			continue
		}
		changed = true
	}
	return changed
}

// taken says that bytes were fetched under some bounds.
func (l *limiter) taken(n int, now time.Duration, of ...limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range of {
		if t := l.tokens[k]; t != nil {
			t.fill(now)
			t.have -= float64(n)
			t.owing = t.owing || t.have <= 0
		}
	}
}

// left is how many bytes may be fetched under some bounds; if none, it says how
// long to wait. Without bounds it is most.
func (l *limiter) left(most int, now time.Duration, of ...limit) (n int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = most
	for _, k := range of {
		t := l.tokens[k]
		if t == nil {
			continue
		}
		t.fill(now)
		wait = max(wait, t.due())
		n = min(n, int(max(t.have, 0)))
	}
	if wait > 0 {
		return 0, wait
	}
	return n, 0
}

// fill adds what time has brought.
func (t *tokens) fill(now time.Duration) {
	full := t.rate * tokenTime.Seconds()
	t.have = min(t.have+t.rate*(now-t.at).Seconds(), full)
	t.at = now
	t.owing = t.owing && t.have < full/2
}

// due is how long it takes until something may be taken.
func (t *tokens) due() time.Duration {
	full := t.rate * tokenTime.Seconds()
	switch {
	case !t.owing:
		return 0
	case t.rate <= 0: // whoever has no partition gets nothing; bounds will change
		return time.Hour
	}
	return min(time.Duration((full/2-t.have)/t.rate*float64(time.Second))+time.Millisecond, time.Hour)
}

// limitRates puts the bounds of the directives in force, as far as they are for
// the worker's part of the partitions.
func (w *Worker) limitRates() {
	w.limits.set(w.rates(), w.now())
}

func (w *Worker) rates() map[limit]float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	rates := map[limit]float64{}
	for migration, d := range w.orders.pools {
		for _, r := range d.Pool.Rates {
			if r.BytesPerSecond > 0 {
				rates[limit{migration, r.Cluster}] = float64(r.BytesPerSecond)
			}
		}
	}
	if len(rates) == 0 {
		return nil
	}
	total, mine := map[limit]float64{}, map[limit]float64{}
	for _, j := range w.orders.jobs() {
		for p := range j.Copy.Partitions {
			own := 0.0
			if w.owned[events.CopyKey{Migration: j.Migration, Topic: j.Copy.Topic, Partition: p}] != nil {
				own = 1
			}
			for _, k := range limitsOf(j.Migration, j.Copy.Source, j.Copy.Target) {
				total[k]++
				mine[k] += own
			}
		}
	}
	for k := range rates {
		rates[k] *= mine[k] / max(total[k], 1)
	}
	return rates
}

// limitsOf are the bounds that copying from one cluster to another is under.
func limitsOf(migration, source, target string) []limit {
	return []limit{{migration: migration}, {migration, source}, {migration, target}}
}
