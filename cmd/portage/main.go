// Command portage moves live Kafka workloads between clusters. See
// `portage --help` and the README.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands"
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
	code := exitCode(err)
	switch {
	case err == nil, errors.Is(err, errSilent):
	case a.flags.output == "json":
		a.printFailure(err, code)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "portage: interrupted; everything was stopped in order")
	default:
		fmt.Fprintln(a.err, "portage: "+err.Error())
	}
	return code
}

// failure is what programs read on standard error when a verb has failed.
type failure struct {
	Error    string `json:"error"`
	ExitCode int    `json:"exit_code"`
	// Refused are the commands that did not fit, of which there may be several.
	Refused []*commands.Refused `json:"refused,omitempty"`
}

func (a *app) printFailure(err error, code int) {
	e := json.NewEncoder(a.err)
	e.SetIndent("", "  ")
	_ = e.Encode(failure{err.Error(), code, refusals(err)}) // nobody is left to be told
}

// refusals are those in a tree of errors.
func refusals(err error) (all []*commands.Refused) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself, to find all and not the first
	case *commands.Refused:
		return []*commands.Refused{e}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, refusals(inner)...)
		}
	case interface{ Unwrap() error }:
		return refusals(e.Unwrap())
	}
	return all
}
