package realkafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// How often a starting broker is asked, and how long one answer may take.
const (
	pollEvery = 100 * time.Millisecond
	askWithin = 2 * time.Second
)

// waitReady waits until each of the given brokers answers Metadata with all running brokers and a controller. One that has
// died, or dies meanwhile, ends the wait at once.
func (c *Cluster) waitReady(ctx context.Context, brokers ...*broker) error {
	for _, b := range brokers {
		if err := c.waitBroker(ctx, b); err != nil {
			return fmt.Errorf("%w\n%s", err, c.Tail(25))
		}
	}
	return nil
}

func (c *Cluster) waitBroker(ctx context.Context, b *broker) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses(c.ports[b.id-1:b.id], Internal)...))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		child := b.running()
		if child == nil {
			return fmt.Errorf("%w: broker %d ended while it was starting", errDown, b.id)
		}
		last := c.ask(ctx, client)
		if last == nil {
			return nil
		}
		select {
		case <-child.done:
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("broker %d is not ready: %w (last: %w)", b.id, ctx.Err(), last)
		}
	}
}

// ask says what is still missing in the cluster as one broker sees it.
func (c *Cluster) ask(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	resp, err := client.SeedBrokers()[0].Request(ctx, kmsg.NewPtrMetadataRequest())
	if err != nil {
		return err
	}
	meta := resp.(*kmsg.MetadataResponse)
	if meta.ControllerID < 0 {
		return fmt.Errorf("no controller yet")
	}
	for _, b := range c.brokers {
		known := slices.ContainsFunc(meta.Brokers, func(m kmsg.MetadataResponseBroker) bool { return m.NodeID == int32(b.id) })
		if b.running() != nil && !known {
			return fmt.Errorf("broker %d has not joined yet", b.id)
		}
	}
	return nil
}
