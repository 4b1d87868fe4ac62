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
	code := a.finish(root(a).ExecuteContext(ctx))
	a.close()
	os.Exit(code)
}

// finish says why a verb has failed and returns its exit code.
func (a *app) finish(err error) int {
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "portage: interrupted; everything was stopped in order")
	case err != nil && !errors.Is(err, errSilent):
		fmt.Fprintln(a.err, "portage: "+err.Error())
	}
	return exitCode(err)
}
