// Command fetch downloads the pinned versions of Apache Kafka into the cache of this checkout, where the tests on real brokers
// find them; see package realkafka. It is what `make kafka-fetch` runs, and does nothing when all is there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/portage-kafka/portage/testkit/realkafka"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := realkafka.Fetch(ctx); err != nil {
		return err
	}
	if err := realkafka.Available(); err != nil {
		return err
	}
	dir, err := realkafka.CacheDir()
	fmt.Printf("Apache Kafka %v is in %s\n", realkafka.Pinned(), dir)
	return err
}
