package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/projector"
)

func serveVerb(a *app) *cobra.Command {
	var listen, instance string
	var noWorker bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the orchestrator, with a worker beside it", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if noWorker && instance != "" {
				return usage(fmt.Errorf("--instance %s is for the worker, which --no-worker leaves out: drop one of them", instance))
			}
			a.service("serve")
			o, release, err := a.options(cmd.Context(), listen, instance)
			if err != nil {
				return err
			}
			defer release()
			if o.Listen == "" {
				o.Listen = a.cfg.Listen
			}
			o.Dir = filepath.Join(a.cfg.Data, serveFolder, o.Control.ID())
			o.NoWorker = noWorker
			o.Before, o.After = service.CrashPoint(os.Getenv("PORTAGE_CRASH"), die)
			return a.ended(profiled(os.Getenv("PORTAGE_PROFILE"), func() error { return alone(service.Serve(cmd.Context(), o)) }))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address of metrics and health (default: the configuration's)")
	cmd.Flags().BoolVar(&noWorker, "no-worker", false, "leave copying to portage work")
	cmd.Flags().StringVar(&instance, "instance", "", instanceHelp)
	return cmd
}

// ended tells the log that a process was stopped in order.
func (a *app) ended(err error) error {
	if err == nil {
		a.log.Info().Msg("ended in order")
	}
	return err
}

// alone explains why a second `portage serve` does not start.
func alone(err error) error {
	if errors.Is(err, projector.ErrLocked) {
		return fmt.Errorf("another `portage serve` runs here; a second one needs a data: folder of its own: %w", err)
	}
	return err
}

// die ends the process at once, with nothing closed and nothing flushed.
func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

func workVerb(a *app) *cobra.Command {
	var listen, instance string
	cmd := &cobra.Command{
		Use: "work", Short: "Run a worker: it copies what the other workers leave it", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.service("work")
			o, release, err := a.options(cmd.Context(), listen, instance)
			if err != nil {
				return err
			}
			defer release()
			return a.ended(profiled(os.Getenv("PORTAGE_PROFILE"), func() error { return service.Work(cmd.Context(), o) }))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address of metrics and health (default: none)")
	cmd.Flags().StringVar(&instance, "instance", "", instanceHelp)
	return cmd
}

// options are those of a process that runs for long; release gives up its instance
// when it has ended.
func (a *app) options(ctx context.Context, listen, instance string) (o service.Options, release func(), err error) {
	control, err := a.control(ctx)
	if err != nil {
		return o, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return o, nil, err
	}
	release, err = a.instance(instance, control.ID())
	return service.Options{
		Control: control, Clusters: a.cluster, Host: host, Incarnation: operator.NewID(), Instance: instance, Listen: listen, Logger: a.log,
	}, release, err
}
