package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/replicator"
	"github.com/rs/zerolog"
)

// This file is the worker process. It is this program once more, so that neither
// embedded brokers nor the bench count: it reads a setup from its standard input,
// and writes a look at itself to its standard output when it is a member of the
// group, and another one for each further line. It ends with its input.

// workerWord is the argument that makes the program the worker process.
const workerWord = "worker"

// setup says where the clusters are.
type setup struct {
	Source, Target []string
	RTT            time.Duration
}

// look is what the worker process says about itself.
type look struct {
	// Heap is what is in use once all garbage is gone.
	Heap uint64
	// Before and After are the processor time used so far, when the look began and
	// when it ended: collecting garbage takes some.
	Before, After time.Duration
	// Connections are those open now, Peak the most there were, by broker.
	Connections, Peak map[string]int
}

// work is the worker process.
func work(ctx context.Context, in io.Reader, out io.Writer) error {
	var s setup
	lines, answers := json.NewDecoder(in), json.NewEncoder(out)
	if err := lines.Decode(&s); err != nil {
		return fmt.Errorf("read where the clusters are: %w", err)
	}
	d := &doors{rtt: s.RTT, open: map[string]int{}, peak: map[string]int{}}
	clients, err := d.clients(ctx, s)
	for _, c := range clients {
		defer func() { _ = c.Close() }()
	}
	if err != nil {
		return err
	}
	member := make(chan struct{})
	joined := sync.OnceFunc(func() { close(member) })
	w, err := replicator.New(replicator.Config{
		Control: clients["control"], Name: fmt.Sprint("many-", os.Getpid()),
		Clusters: func(_ context.Context, name string) (*cluster.Client, error) { return clients[name], nil },
		Hooks:    replicator.Hooks{Owned: func(int) { joined() }},
		Log:      zerolog.New(os.Stderr).Level(zerolog.WarnLevel),
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-member:
	case err := <-done:
		return err
	}
	err = serve(lines, answers, d)
	w.Stop()
	return errors.Join(err, <-done)
}

// serve looks once, and again for every line, until there are no more.
func serve(lines *json.Decoder, answers *json.Encoder, d *doors) error {
	for {
		if err := answers.Encode(d.look()); err != nil {
			return err
		}
		var word string
		if err := lines.Decode(&word); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (d *doors) look() look {
	l := look{Before: used()}
	for range 3 { // finalizers and pools let go of memory a collection later
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l.Heap = m.HeapAlloc
	l.Connections, l.Peak = d.counts()
	l.After = used()
	return l
}

// used is the processor time of this process.
func used() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it fails for wrong arguments only
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
