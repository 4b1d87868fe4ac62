package replicator

import "time"

// One batch of a partition is under way at a time, so over a distance the size
// of a batch bounds the partition's speed. These numbers say when a target is far
// away and how large batches should be then.
const (
	farAway = 10 * time.Millisecond
	// farRate is what a partition should reach, in bytes per second.
	farRate = 20 << 20
	// carried is what the way and the broker are taken to carry, in bytes per second:
	// what a large request takes longer than an empty one is no distance.
	carried = 50 << 20
	// farLimit is about what topics take by default (max.message.bytes 1 MiB).
	farLimit = 960 << 10
	// distancePeriod is for how long a short round trip counts, at least.
	distancePeriod = 5 * time.Second
)

// distance is how long a round trip to a broker takes when nothing is in its
// way: the shortest of the last seconds.
type distance struct {
	began          time.Duration // of the present period
	present, later time.Duration // the shortest of this period and of the one before; 0: none
}

// observe takes the round trip of so many bytes that ended at a time.
func (d *distance) observe(at, took time.Duration, bytes int) {
	took -= time.Duration(bytes) * time.Second / carried
	if at-d.began > distancePeriod {
		d.began, d.later, d.present = at, d.present, 0
	}
	if d.present == 0 || took < d.present {
		d.present = max(took, 1)
	}
}

// trip is the shortest round trip; 0 if there was none.
func (d *distance) trip() time.Duration {
	if d.present == 0 || d.later != 0 && d.later < d.present {
		return d.later
	}
	return d.present
}

// merging says up to which size batches are merged, and into which: tiny ones
// always, and all where a target is far away, so that one batch for each round
// trip is enough. Re-encoding takes time of the processor, which then has some.
func (d *distance) merging(below, upTo int) (int, int) {
	trip := d.trip()
	if trip < farAway {
		return below, upTo
	}
	size := int(min(trip.Seconds()*farRate, farLimit))
	return max(size, below), max(size, upTo)
}
