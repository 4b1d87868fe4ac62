package group

import (
	"context"
	"fmt"
	"strings"
)

// CallIDs is the first id that the calls below use for themselves. Inputs given to Do have lower ones.
const CallIDs = 1 << 32

// Ready says that nothing of a generation is being handled any more: the member may rejoin.
func (m *Member) Ready(generation int32) { m.Do(Ready{Generation: generation}) }

// Rejoin joins again with another offer, at once.
func (m *Member) Rejoin(o Offer) error {
	if err := m.cfg.validateOffer(o); err != nil {
		return err
	}
	m.Do(Rejoin{Offer: o})
	return nil
}

// Commit commits offsets under a generation. The error is about the whole call (context, closed); what became of each partition
// is in the answer: see Committed.Err.
func (m *Member) Commit(ctx context.Context, generation int32, offsets ...Offset) (Committed, error) {
	e, err := m.ask(ctx, "commit offsets", func(id uint64) Input { return Commit{ID: id, Generation: generation, Offsets: offsets} })
	if err != nil {
		return Committed{Generation: generation, Unknown: true}, err
	}
	return e.(Committed), nil
}

// Offsets reads committed offsets as a member, waiting for transactions in progress; nil topics mean all. An error that is
// ErrGeneration means that the generation ended meanwhile.
func (m *Member) Offsets(ctx context.Context, topics map[string][]int32) (map[string]map[int32]Stored, error) {
	e, err := m.ask(ctx, "fetch offsets", func(id uint64) Input { return Fetch{ID: id, Topics: topics} })
	if err != nil {
		return nil, err
	}
	f := e.(Fetched)
	return f.Offsets, f.Err
}

// Confirm returns a lease whose heartbeat was sent after the call, or says why there is none.
func (m *Member) Confirm(ctx context.Context) (Lease, error) {
	e, err := m.ask(ctx, "confirm the membership", func(id uint64) Input { return Confirm{ID: id} })
	if err != nil {
		return Lease{}, err
	}
	c := e.(Confirmed)
	return c.Lease, c.Err
}

// Leave leaves the group and waits for the answer. The member can Rejoin afterwards; Close is still due.
func (m *Member) Leave(ctx context.Context) error {
	answer := make(chan Event, 1)
	m.mu.Lock()
	m.leavers = append(m.leavers, answer)
	m.mu.Unlock()
	m.Do(Leave{})
	select {
	case e := <-answer:
		return e.(Left).Err
	case <-ctx.Done():
		return fmt.Errorf("leave group %q: %w", m.cfg.Group, ctx.Err())
	case <-m.ctx.Done():
		return fmt.Errorf("leave group %q: %w", m.cfg.Group, ErrClosed)
	}
}

// ask sends an input with an id of its own and waits for the event with that id.
func (m *Member) ask(ctx context.Context, what string, input func(id uint64) Input) (Event, error) {
	answer := make(chan Event, 1)
	m.mu.Lock()
	m.lastID++
	id := CallIDs + m.lastID
	m.waiters[id] = answer
	m.mu.Unlock()
	m.Do(input(id))
	select {
	case e := <-answer:
		return e, nil
	case <-ctx.Done():
		m.forget(id)
		m.Do(Cancel{ID: id})
		return nil, fmt.Errorf("%s: group %q: %w", what, m.cfg.Group, ctx.Err())
	case <-m.ctx.Done():
		m.forget(id)
		return nil, fmt.Errorf("%s: group %q: %w", what, m.cfg.Group, ErrClosed)
	}
}

func (m *Member) forget(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiters, id)
}

// answered gives an event to the calls that wait for it. Left goes to them and to the reader.
func (m *Member) answered(e Event) bool {
	id := uint64(0)
	switch e := e.(type) {
	case Committed:
		id = e.ID
	case Fetched:
		id = e.ID
	case Confirmed:
		id = e.ID
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, left := e.(Left); left {
		for _, answer := range m.leavers {
			answer <- e
		}
		m.leavers = nil
	}
	if id < CallIDs {
		return false
	}
	if answer := m.waiters[id]; answer != nil {
		answer <- e
		delete(m.waiters, id)
	}
	return true
}

// giveUp ends what is in flight.
func (m *Member) giveUp() {
	for id := range m.inFlight {
		m.drop(id)
	}
}

// name is an event's type in logs: "joined", "rebalanceneeded".
func name(e Event) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "group."))
}
