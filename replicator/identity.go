package replicator

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// patience is how often in a row a topic may not be found before it is gone:
// right after a change of metadata a broker may not know it.
const patience = 5

// mismatch says what is wrong with a topic's identity, "" if nothing is. A
// topic that is absent is so for good only after some looks.
func (p *partition) mismatch(l *link, topic, id string, t cluster.Topic, found bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !found {
		if p.absences == nil {
			p.absences = map[*link]int{}
		}
		if p.absences[l]++; p.absences[l] < patience {
			return ""
		}
		return fmt.Sprintf("topic %s is not on cluster %s any more", topic, l.Name())
	}
	delete(p.absences, l)
	return recreated(topic, l.Name(), id, t.ID)
}

// recreated says that a topic has another id than it had, where both are known;
// "" if not.
func recreated(topic, cluster, id string, have [16]byte) string {
	if has := hex.EncodeToString(have[:]); id != "" && have != [16]byte{} && has != id {
		return fmt.Sprintf("topic %s on cluster %s was deleted and created again: it had the id %s, it has %s", topic, cluster, id, has)
	}
	return ""
}

// The pause after a look at all topics is so many times longer than the look,
// up to a limit: with very many topics it takes a while.
const (
	identityShare = 50
	identityLimit = time.Minute
)

// compareIdentities looks at all topics from time to time: a topic that was
// created again may answer fetches as if nothing had happened.
func (w *Worker) compareIdentities(ctx context.Context) error {
	for pause := w.cfg.IdentityEvery; ; {
		wait(ctx, pause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		begun := time.Now()
		sides := map[*link]map[string][]*partition{}
		for _, p := range w.partitions() {
			p.listTopics(sides)
		}
		for l, topics := range sides {
			w.compare(ctx, l, topics)
		}
		pause = max(w.cfg.IdentityEvery, min(identityShare*time.Since(begun), identityLimit))
	}
}

// listTopics enters the partition's topics if it is at work.
func (p *partition) listTopics(sides map[*link]map[string][]*partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.job == nil || p.core.phase == halted {
		return
	}
	enter := func(l *link, topic string) {
		if l == nil {
			return
		}
		if sides[l] == nil {
			sides[l] = map[string][]*partition{}
		}
		sides[l][topic] = append(sides[l][topic], p)
	}
	enter(p.source, p.job.copy().Topic)
	enter(p.target, p.job.copy().TargetTopic)
}

// compare looks at the topics of one cluster.
func (w *Worker) compare(ctx context.Context, l *link, topics map[string][]*partition) {
	have, err := l.Topics(ctx, slices.Collect(maps.Keys(topics))...)
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Log.Warn().Err(err).Str("cluster", l.Name()).Msg("comparing topic ids failed; trying again")
		}
		return
	}
	for topic, parts := range topics {
		t, found := have[topic]
		for _, p := range parts {
			p.compare(l, topic, t, found)
		}
	}
}

// compare stops the partition if a topic is not what it was.
func (p *partition) compare(l *link, topic string, t cluster.Topic, found bool) {
	p.mu.Lock()
	order, isSource := p.job.copy(), l == p.source && topic == p.job.copy().Topic
	p.mu.Unlock()
	id := order.TargetTopicID
	if isSource {
		id = order.TopicID
	}
	if reason := p.mismatch(l, topic, id, t, found); reason != "" {
		p.stopAs(CodeRecreated, reason)
		return
	}
	if found {
		p.noteLeader(isSource, leaderEpochs(t, p.key.Partition))
	}
	if isSource && found && p.key.Partition == 0 {
		p.noteAdded(int32(len(t.Partitions)))
	}
}

// noteLeader tells the core of the source's leader, or of the target's.
func (p *partition) noteLeader(isSource bool, epochs int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note := p.core.targetLed
	if isSource {
		note = p.core.led
	}
	if note(epochs) {
		p.follow()
	}
}

// noteAdded takes note of partitions that the source topic has beyond the plan.
// The owner of the first partition reports them.
func (p *partition) noteAdded(have int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.added = have; p.added > p.known() {
		p.poke()
	}
}

// known is how many partitions of the source topic the plan has, or were
// reported. The lock is held.
func (p *partition) known() int32 { return max(p.addedReported, p.job.copy().Partitions) }

// reportAdded lets the topic grow with its source.
func (p *partition) reportAdded(ctx context.Context) error {
	p.mu.Lock()
	j, from, to := p.job, p.known(), p.added
	p.mu.Unlock()
	report := p.reportGrowth
	if j.copy().Shared {
		report = p.stopBeyond
	}
	if err := report(ctx, j, from, to); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.job.Position == j.Position {
		p.addedReported = to
	}
	return nil
}

func (p *partition) reportGrowth(ctx context.Context, j *job, _, to int32) error {
	p.log().Info().Int32("partitions", to).Msg("the source topic has more partitions")
	return p.append(ctx, j, j.cause(), to-1, events.PartitionsAdded{Partitions: to})
}

// stopBeyond appends a stop for every partition beyond the plan: once the
// writers move, the target has partitions of its own. One that a person has
// given up is not mentioned again.
func (p *partition) stopBeyond(ctx context.Context, j *job, from, to int32) error {
	for n := from; n < to; n++ {
		if len(j.losses(n)) > 0 {
			continue
		}
		reason := fmt.Sprintf("the source topic has %d partitions, the plan has %d: what is written to partition %d is not copied, for its writers are moving; bring its records to the target by other means, or accept their loss", to, j.copy().Partitions, n)
		p.log().Error().Msg(reason)
		if err := p.append(ctx, j, j.cause(), n, events.CopyStopped{Partition: n, Code: CodeAdded, To: math.MaxInt64, Reason: reason}); err != nil {
			return err
		}
	}
	return nil
}
