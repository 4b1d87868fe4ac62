package projector_test

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
)

// page is a reader of a log that has one page.
type page struct{ log.Page }

func (p *page) Next(context.Context, int, time.Duration) (log.Page, error) { return p.Page, nil }

// record is an event as log.Reader returns it.
func record(position int64, e events.Event) events.Record {
	value, err := events.Encode(e)
	if err != nil {
		panic(err)
	}
	rec := events.Record{Position: position, Time: time.UnixMilli(1000 + position).UTC()}
	rec.Event, rec.Body, rec.Refusal = events.Decode([]byte(e.Key("nonce").String()), value)
	return rec
}

func planned(topic string) events.Event {
	at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	actor := events.Actor{Kind: events.Operator, Name: "ann"}
	e, err := events.New("plan-"+topic, "orders-eu", events.TopicStream(topic), actor, at, events.TopicPlanned{
		Source: events.ClusterRef{Name: "old", ID: "A"}, TopicID: "00", Partitions: 3,
		Target: events.ClusterRef{Name: "new", ID: "B"}, TargetTopic: topic, ReplicationFactor: 3,
	})
	if err != nil {
		panic(err)
	}
	e.Expects = new(uint64)
	return e
}

// logOf is a log in memory; a real one is made of package log's functions, see
// the package documentation.
func logOf(records ...events.Record) projector.Log {
	end := int64(len(records))
	return projector.Log{
		ClusterID: "control",
		TopicID:   func(context.Context) (string, error) { return "aa", nil },
		End:       func(context.Context) (int64, error) { return end, nil },
		Reader: func(from int64, _ string) projector.Reader {
			return &page{log.Page{Records: records[from:], Next: end, End: end}}
		},
	}
}

func Example() {
	ctx := context.Background()
	store, err := projector.Open(projector.Options{}) // in memory
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	p, err := projector.New(projector.Config{Store: store, Log: logOf(record(0, planned("orders")), record(1, planned("refunds")))})
	if err != nil {
		fmt.Println(err)
		return
	}
	applied, err := p.CatchUp(ctx)
	fmt.Println("applied", applied, err)

	view := store.View()
	defer func() { _ = view.Close() }()
	topics, err := view.Topics("orders-eu")
	for _, t := range topics {
		fmt.Println(t.Topic, t.Copy, err)
	}
	outs, err := view.Try(planned("orders"))
	fmt.Println("again:", outs[0].Note.Verdict, outs[0].Note.Reason, err)
	// Output:
	// applied 1 <nil>
	// orders planned <nil>
	// refunds planned <nil>
	// again: ignored repeats the event at position 0 <nil>
}

func ExampleAt() {
	whole := logOf(record(0, planned("orders")), record(1, planned("refunds")))
	store, err := projector.At(context.Background(), whole, projector.AtTime(time.UnixMilli(1000)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	view := store.View()
	defer func() { _ = view.Close() }()
	topics, err := view.Topics("orders-eu")
	fmt.Println("applied", view.Applied(), "topics", len(topics), err)
	_, err = projector.At(context.Background(), whole, projector.AtPosition(7))
	fmt.Println(err)
	// Output:
	// applied 0 topics 1 <nil>
	// fold the log as of position 7: the log does not reach so far: it ends before position 2
}

func ExampleReplay() {
	r, err := projector.Replay(context.Background(), logOf(record(0, planned("orders"))), "orders-eu")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range r.Digests {
		fmt.Println(d.Migration, "events", d.Events, "digest of", len(d.Log.String()), "hex digits")
	}
	// Output:
	// orders-eu events 1 digest of 64 hex digits
}
