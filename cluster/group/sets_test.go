package group

import "slices"

// Questions that only tests ask.

func (p Partitions) Has(topic string, partition int32) bool {
	return slices.Contains(p[topic], partition)
}

func (p *Peer) Subscribes(topic string) bool { return slices.Contains(p.Topics, topic) }
