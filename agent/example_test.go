package agent_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// clustersForExamples starts two clusters inside the process, with a topic on one and the control topics on the other.
func clustersForExamples() (clusters map[string]cluster.Config, stop func()) {
	pair, err := embedded.Start(embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}}})
	if err != nil {
		log.Fatal(err)
	}
	clusters = map[string]cluster.Config{
		"old": {Bootstrap: pair.Source.Bootstrap()}, "new": {Bootstrap: pair.Target.Bootstrap()},
	}
	c, err := cluster.Open(context.Background(), "new", clusters["new"])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := eventlog.Init(context.Background(), c, eventlog.InitOptions{}); err != nil { // `portage init` does this
		log.Fatal(err)
	}
	return clusters, func() {
		_ = c.Close()
		pair.Stop()
	}
}

// A service that writes orders and bills them. Both halves go on through a migration from "old" to "new" without a change here.
func Example() {
	clusters, stop := clustersForExamples()
	defer stop()

	producer, err := agent.NewProducer(agent.ProducerConfig{
		Topic: "orders", Instance: "shop-0", Home: "old", Control: "new", Clusters: clusters,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{"17", "18"} {
		if _, err := producer.Send(context.Background(), agent.Message{Key: []byte(id), Value: []byte("order " + id)}); err != nil {
			log.Fatal(err)
		}
	}

	billed := make(chan string)
	consumer, err := agent.NewConsumer(agent.ConsumerConfig{
		Group: "billing", Topics: []string{"orders"}, Instance: "billing-0", Home: "old", Control: "new", Clusters: clusters,
		Handler: func(ctx context.Context, r agent.Record) error {
			select {
			case billed <- string(r.Value):
				return nil // only now may the offset be committed
			case <-ctx.Done():
				return ctx.Err() // the record will be handled again
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- consumer.Run(ctx) }()

	fmt.Println(<-billed)
	fmt.Println(<-billed)
	cancel() // drains, commits, leaves the group
	fmt.Println("consumer:", <-done)
	fmt.Println("producer:", producer.Close(context.Background()))
	// Output:
	// order 17
	// order 18
	// consumer: <nil>
	// producer: <nil>
}

// Hooks tell a service when partitions come and go, between instances and between clusters; an observer feeds metrics.
func ExampleWithConsumerObserver() {
	clusters, stop := clustersForExamples()
	defer stop()

	ready := make(chan struct{})
	consumer, err := agent.NewConsumer(agent.ConsumerConfig{
		Group: "billing", Topics: []string{"orders"}, Instance: "billing-0", Home: "old", Control: "new", Clusters: clusters,
		Handler:    func(context.Context, agent.Record) error { return nil },
		OnAssigned: func(_ context.Context, a agent.Assignment) { fmt.Println("reading", a.Partitions, "from", a.Cluster) },
		OnRevoked: func(_ context.Context, r agent.Revocation) {
			fmt.Println("done with", r.Partitions, "on", r.Cluster)
		},
	}, agent.WithConsumerObserver(agent.ConsumerObserver{
		Notice: func(n agent.Notice) {
			switch n.Kind {
			case agent.NoticeReady:
				close(ready)
			case agent.NoticeResumed:
				fmt.Println("a switch paused us for", n.Pause.Round(time.Millisecond))
			}
		},
	}))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- consumer.Run(ctx) }()
	<-ready
	for len(consumer.State().Reading) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	fmt.Println(<-done)
	// Output:
	// reading [orders/0] from old
	// done with [orders/0] on old
	// <nil>
}

// A configuration is checked as a whole before anything is connected: every mistake names the field, the value and the way out.
func ExampleConsumerConfig_Validate() {
	cfg := agent.ConsumerConfig{
		Group: "billing", Topics: []string{"orders"}, Instance: "billing-0", Home: "old", Control: "control",
		Clusters:  map[string]cluster.Config{"old": {Bootstrap: []string{"localhost:9092"}}},
		Handler:   func(context.Context, agent.Record) error { return nil },
		Heartbeat: 5 * time.Second,
	}
	fmt.Println(cfg.Validate())
	// Output:
	// group "billing": Heartbeat is 5s and Session 10s: a session must last for at least three heartbeats
	// field Clusters has ["old"], but not "control": say how to reach it
}
