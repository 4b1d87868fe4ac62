package projector

import (
	"errors"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Try judges events as if they stood next in the log, one behind the other:
// what a command would come to, before anything is written. Others may append
// meanwhile, so the judgement that counts is the note of the event appended.
func (v *View) Try(es ...events.Event) ([]fsm.Outcome, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	rows, machines := newOverlay(from), fsm.New()
	outs := make([]fsm.Outcome, len(es))
	for i, e := range es {
		outs[i] = machines.Step(rows, asRecord(e, v.meta.Applied+1+int64(i)))
		if err := errors.Join(rows.err, rows.apply(outs[i])); err != nil {
			v.keep(err)
			return nil, err
		}
	}
	return outs, nil
}

// asRecord is the record that the event would be read back as.
func asRecord(e events.Event, position int64) events.Record {
	rec := events.Record{Position: position, Event: e}
	value, err := events.Encode(e)
	if err != nil {
		if !errors.As(err, &rec.Refusal) {
			rec.Refusal = &events.Refusal{Code: events.RefusedField, Reason: err.Error()}
		}
		return rec
	}
	rec.Event, rec.Body, rec.Refusal = events.Decode([]byte(e.Key("-").String()), value)
	return rec
}
