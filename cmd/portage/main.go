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

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)       // the second signal ends at once what does not end in order
	cobra.EnableCommandSorting = false // help lists the verbs in the order of their use
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
