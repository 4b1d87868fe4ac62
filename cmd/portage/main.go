// Command portage moves live Kafka workloads between clusters. See
// `portage --help` and the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := newApp(os.Stdout, os.Stderr)
	err := root(a).ExecuteContext(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "portage: interrupted; everything was stopped in order")
	case err != nil && !errors.Is(err, errSilent):
		fmt.Fprintln(os.Stderr, "portage: "+err.Error())
	}
	a.close()
	os.Exit(exitCode(err))
}
