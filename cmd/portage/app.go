package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/config"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// app is what the verbs share: configuration, connections, the projection. All
// of it is opened when it is first needed.
type app struct {
	out, err io.Writer
	flags    flags
	log      zerolog.Logger

	clusters connections

	mu   sync.Mutex
	cfg  *config.Config
	desk *operator.Operator
}

// flags are those of every verb.
type flags struct {
	config  string
	output  string
	verbose bool
	timeout time.Duration
}

func newApp(out, err io.Writer) *app {
	a := &app{out: out, err: err}
	a.clusters.open, a.clusters.again = a.open, time.Second
	return a
}

func (a *app) setup() error {
	level := zerolog.WarnLevel
	if a.flags.verbose {
		level = zerolog.DebugLevel
	}
	a.log = zerolog.New(zerolog.ConsoleWriter{Out: a.err, TimeFormat: time.TimeOnly, NoColor: true}).Level(level).With().Timestamp().Logger()
	switch a.flags.output {
	case "table", "json", "yaml":
		return nil
	}
	return usage(fmt.Errorf("-o %q: use table, json or yaml", a.flags.output))
}

// service sets up logs for a process that runs for long: JSON, from info on.
func (a *app) service(name string) {
	level := zerolog.InfoLevel
	if a.flags.verbose {
		level = zerolog.DebugLevel
	}
	host, _ := os.Hostname()
	a.log = zerolog.New(a.err).Level(level).With().Timestamp().Str("process", name).Str("host", host).Int("pid", os.Getpid()).Logger()
}

func (a *app) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.desk != nil {
		if err := a.desk.Close(); err != nil {
			a.log.Warn().Err(err).Msg("closing the store")
		}
	}
	if err := a.clusters.close(); err != nil {
		a.log.Warn().Err(err).Msg("closing connections")
	}
}

func (a *app) config() (*config.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg == nil {
		cfg, err := config.Load(a.flags.config)
		if err != nil {
			return nil, usage(err)
		}
		a.cfg = cfg
	}
	return a.cfg, nil
}

// cluster is the client of a cluster by its name.
func (a *app) cluster(ctx context.Context, name string) (*cluster.Client, error) {
	return a.clusters.get(ctx, name)
}

func (a *app) open(ctx context.Context, name string) (*cluster.Client, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	entry, err := cfg.Cluster(name)
	if err != nil {
		return nil, usage(err)
	}
	entry.Log = a.log
	return cluster.Open(ctx, name, entry.Config)
}

func (a *app) control(ctx context.Context) (*cluster.Client, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	return a.cluster(ctx, cfg.Control)
}

// operator opens the user's desk.
func (a *app) operator(ctx context.Context) (*operator.Operator, error) {
	control, err := a.control(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.desk != nil {
		return a.desk, nil
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	a.desk, err = operator.New(operator.Options{
		Control: control, Dir: filepath.Join(a.cfg.Data, cliFolder, control.ID()), Name: name, Host: host, Logger: a.log,
	})
	return a.desk, err
}

// Folders of projections below the data folder: each process type has one, for
// a store belongs to one process at a time.
const (
	cliFolder   = "cli"
	serveFolder = "serve"
)

// view is the projection folded to the end that the log has now; the CLI does
// not need `serve` for it.
func (a *app) view(ctx context.Context) (*projector.View, error) {
	desk, err := a.operator(ctx)
	if err != nil {
		return nil, err
	}
	return desk.View(ctx)
}

// looking shows the projection, as it is now, to a verb that asks for something
// of a migration; one that is not there is refused.
func (a *app) looking(ctx context.Context, migration string, look func(v *projector.View) error) (err error) {
	v, err := a.view(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	unknown := commands.Unknown(v, migration, events.MigrationStream)
	switch err := v.Err(); {
	case err != nil:
		return err
	case unknown != "":
		return refusedf("%s", unknown)
	}
	return errors.Join(look(v), v.Err())
}
