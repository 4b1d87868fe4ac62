package replicator

import "sync"

// buffer counts the fetched bytes that no target has acknowledged yet against a
// limit. Once it is full it stays so until a quarter is free again: partitions
// leave and join fetch sessions in crowds, not at every acknowledgement.
type buffer struct {
	limit int
	// opened is called when there is room again.
	opened func()

	mu   sync.Mutex
	used int
	shut bool
}

// add counts n more bytes, or fewer if it is negative.
func (b *buffer) add(n int) {
	if b.count(n) {
		b.opened()
	}
}

func (b *buffer) count(n int) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	switch {
	case b.used >= b.limit:
		b.shut = true
	case b.shut && b.used <= b.limit/4*3:
		b.shut = false
		return true
	}
	return false
}

// full says that nothing more may be fetched.
func (b *buffer) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shut
}

// account tells the buffers what the queue holds. The lock is held.
func (p *partition) account() {
	n := p.core.queue.weight - p.weight
	if p.target != nil && n != 0 {
		p.target.buffer.add(n)
		p.w.buffer.add(n)
	}
	p.weight = p.core.queue.weight
}

// discount takes back what the partition has accounted for. The lock is held.
func (p *partition) discount() {
	if p.target != nil {
		p.target.buffer.add(-p.weight)
		p.w.buffer.add(-p.weight)
		p.weight = 0
	}
}
