package workload

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// outcome is what happened to one record of a transaction.
type outcome struct {
	record Record
	at     Place
	err    error
}

// runTransactions sends in transactions. What was begun when ctx ends is committed.
func (p *Producer) runTransactions(ctx context.Context, pace *pace) error {
	life := context.WithoutCancel(ctx)
	for n := 1; p.more() && ctx.Err() == nil; n++ {
		every := p.cfg.Transactions.AbortEvery
		if err := p.transaction(ctx, life, pace, every > 0 && n%every == 0); err != nil {
			return fmt.Errorf("workload: producer %s: transaction %d: %w", p.cfg.Generator.Producer, n, err)
		}
	}
	return nil
}

// transaction sends one transaction and ends it, and then journals its records.
func (p *Producer) transaction(ctx, life context.Context, pace *pace, abort bool) error {
	if err := p.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	outcomes, err := p.fillTransaction(ctx, life, pace)
	end := kgo.TransactionEndTry(!abort && err == nil)
	endCtx, cancel := context.WithTimeout(life, flushWithin)
	defer cancel()
	if endErr := p.client.EndTransaction(endCtx, end); endErr != nil {
		for _, o := range outcomes {
			p.gen.Unknown(o.record, o.at)
		}
		return fmt.Errorf("end: %w", endErr)
	}
	for _, o := range outcomes {
		p.ended(o, bool(end))
	}
	return err
}

// fillTransaction sends the records of one transaction and waits for their answers.
func (p *Producer) fillTransaction(ctx, life context.Context, pace *pace) ([]outcome, error) {
	var mu sync.Mutex
	var outcomes []outcome
	for n := 0; n < p.cfg.Transactions.Size && p.more() && pace.wait(ctx) == nil; n++ {
		r := p.gen.Next(time.Now().Add(-p.cfg.Age))
		p.sent.Add(1)
		p.client.Produce(life, r.kgo(), func(k *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			outcomes = append(outcomes, outcome{record: r, at: p.place(k), err: err})
		})
	}
	err := p.flush(life)
	mu.Lock()
	defer mu.Unlock()
	for _, o := range outcomes {
		if o.err != nil && err == nil {
			err = fmt.Errorf("send %v to %s: %w", o.record.ID, o.record.Topic, o.err)
		}
	}
	return outcomes, err
}

// ended journals a record of a transaction that was committed or aborted.
func (p *Producer) ended(o outcome, committed bool) {
	if !committed {
		p.gen.Aborted(o.record, o.at)
		return
	}
	p.gen.Acked(o.record, o.at)
	p.acked.Add(1)
}
