// Program service is a sample service that embeds the SDK of portage, for tests: it consumes topics with handlers that keep
// a journal, or produces records that say who they are.
//
//	service consume --config portage.yaml --home source --instance billing-0 --journal FILE \
//	    --latency 20ms --group billing=orders,payments --group audit=orders
//	service produce --config portage.yaml --home source --instance web-0 --journal FILE \
//	    --run r1 --producer web-0.1 --rate 100 --codec lz4 --keys 50 --topic orders --topic clicks
//
// The configuration is portage's own: it says how to reach each cluster by its name and which one has the control topics.
// With several groups a process has one consumer for each; with several topics a producer for each, and the records go to
// them in turn. SIGTERM ends it in order: handlers finish, offsets are committed, records are answered, groups are left.
// Logs are JSON lines on standard error; see package workload for the journal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Int("pid", os.Getpid()).Logger()
	if err := run(ctx, log, os.Args[1:]); err != nil {
		log.Error().Err(err).Msg("the service failed")
		os.Exit(1)
	}
	log.Info().Msg("the service has ended")
}

var errUsage = errors.New("usage: service consume|produce FLAGS")

func run(ctx context.Context, log zerolog.Logger, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "consume":
		return consume(ctx, log, args[1:])
	case "produce":
		return produce(ctx, log, args[1:])
	}
	return fmt.Errorf("%w: not %q", errUsage, args[0])
}
