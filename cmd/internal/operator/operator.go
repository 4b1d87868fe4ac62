// Package operator is a person's desk: a fold of the log of one's own, and
// commands that are judged on it. It needs nothing but access to the control
// cluster; no `serve` has to run.
package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
)

// Options say whose desk it is.
type Options struct {
	// Control is the cluster of the control topics.
	Control *cluster.Client
	// Dir keeps the fold between runs; empty keeps it in memory. While another
	// process has the folder, the fold is kept in memory, too.
	Dir string
	// Name and Host sign the commands.
	Name, Host string
	Logger     zerolog.Logger
}

// Operator is a desk. It is safe for concurrent use; Close it.
type Operator struct {
	// Commands sends commands, judged on this fold.
	Commands *commands.Commands

	store   *projector.Store
	fold    *projector.Projector
	folding sync.Mutex
}

// New opens the fold; nothing is read yet.
func New(o Options) (*Operator, error) {
	store, err := projector.Open(projector.Options{Dir: o.Dir, Logger: o.Logger})
	if err != nil && o.Dir != "" {
		o.Logger.Debug().Err(err).Msg("the store is not to be had: folding in memory")
		store, err = projector.Open(projector.Options{Logger: o.Logger})
	}
	if err != nil {
		return nil, err
	}
	desk := &Operator{store: store}
	if desk.fold, err = projector.New(projector.Config{Store: store, Log: service.LogOf(o.Control), Logger: o.Logger}); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	desk.Commands, err = commands.New(commands.Config{
		Append: log.NewAppender(o.Control, log.AppenderOptions{Logger: o.Logger}).AppendAll, Fold: desk.View,
		Actor: events.Actor{Kind: events.Operator, Name: o.Name, Host: o.Host}, NewID: NewID, Now: time.Now,
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return desk, nil
}

// NewID is a ULID: the id of a command, the incarnation of a process.
func NewID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// Close closes the fold.
func (o *Operator) Close() error { return o.store.Close() }

// View is the fold as of the end that the log has now. The caller closes it.
func (o *Operator) View(ctx context.Context) (*projector.View, error) {
	o.folding.Lock()
	defer o.folding.Unlock()
	if _, err := o.fold.CatchUp(ctx); err != nil {
		return nil, err
	}
	return o.store.View(), nil
}

// Store is the fold's store, as far as it was folded by View.
func (o *Operator) Store() *projector.Store { return o.store }

// lookAgain is how often Until reads the log while nothing happens.
const lookAgain = 20 * time.Millisecond

// Until waits until a view shows what is wanted. When ctx ends first, the error
// says what the migration waits for.
func (o *Operator) Until(ctx context.Context, migration string, wanted func(*projector.View) bool) error {
	var blockers []commands.Blocker
	for {
		v, err := o.View(ctx)
		if err != nil {
			return fmt.Errorf("%w; waiting for %+v", err, blockers)
		}
		is := wanted(v)
		if !is {
			blockers, _ = commands.Why(v, migration)
		}
		if err := v.Close(); err != nil || is {
			return err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return fmt.Errorf("%w; waiting for %+v", ctx.Err(), blockers)
		}
	}
}
