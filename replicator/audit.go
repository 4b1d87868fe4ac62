package replicator

import (
	"context"
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/replicator/verify"
)

// startVerification begins the comparison that the order asks for, once the
// published map reaches far enough. The lock is held.
func (p *partition) startVerification() {
	if p.job == nil || p.job.tooNew || p.job.Copy.VerifyCause == "" || p.job.Copy.VerifyCause == p.verified {
		return
	}
	order := p.job.Copy
	for _, v := range order.Verify {
		if v.Partition == p.key.Partition && p.core.phase >= recording && p.core.watermark() >= v.Offset {
			ctx, ok := p.startLocked()
			if !ok {
				return
			}
			p.verified = order.VerifyCause
			j := p.job
			p.w.keepers.work.Go(func() {
				defer p.stop()
				p.verify(ctx, j, v.Offset)
			})
		}
	}
}

// verify compares both sides and reports the outcome. What fails for the moment
// is tried again until the order changes.
func (p *partition) verify(ctx context.Context, j *job, upTo int64) {
	for failures := 1; ctx.Err() == nil && p.stillVerifies(j); failures++ {
		err := p.verifyOnce(ctx, j, upTo)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			p.log().Warn().Err(err).Msg("comparing both sides failed; trying again")
		}
		wait(ctx, backoff(failures))
	}
}

func (p *partition) stillVerifies(j *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.job.Copy.VerifyCause == j.Copy.VerifyCause
}

func (p *partition) verifyOnce(ctx context.Context, j *job, upTo int64) error {
	select {
	case p.w.verifying <- struct{}{}:
		defer func() { <-p.w.verifying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	source, target, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	m, err := p.publishedMap(ctx, order.Recopies)
	if err != nil {
		return err
	}
	compacted, err := isCompacted(ctx, source, order.Topic)
	if err != nil {
		return err
	}
	res, err := verify.Compare(ctx, verify.Request{
		Source: verify.Side{Client: source.Client, Topic: order.Topic, Partition: p.key.Partition},
		Target: verify.Side{Client: target.Client, Topic: order.TargetTopic, Partition: p.key.Partition},
		Map:    &m, UpTo: upTo, Compacted: compacted, Shared: order.Shared, Losses: order.Losses,
	})
	if err != nil {
		return err
	}
	body := events.PartitionVerified{
		Partition: p.key.Partition, UpTo: upTo, Records: res.Records, Digest: res.Digest.String(), Differs: res.Summary(),
	}
	p.log().Info().Int64("up_to", upTo).Int64("records", res.Records).Str("differs", body.Differs).Msg("compared both sides")
	return p.append(ctx, j, j.Copy.VerifyCause, p.key.Partition, body)
}

// publishedMap is the partition's map as everyone else sees it.
func (p *partition) publishedMap(ctx context.Context, recopies int32) (offsetmap.Map, error) {
	l, err := p.w.loads.load(ctx, p.key)
	if err != nil {
		return offsetmap.Map{}, fmt.Errorf("load the offset map: %w", err)
	}
	m, err := Map(l.Blocks, recopies)
	if err != nil {
		return m, fmt.Errorf("merge the offset map: %w", err)
	}
	return m, nil
}

// isCompacted says whether a topic's log may have holes.
func isCompacted(ctx context.Context, l *link, topic string) (bool, error) {
	configs, err := l.TopicConfigs(ctx, topic)
	if err != nil {
		return false, onSource(fmt.Errorf("read cleanup.policy of %s: %w", topic, err))
	}
	return strings.Contains(configs["cleanup.policy"].Value, "compact"), nil
}
