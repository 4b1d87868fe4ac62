package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// lines takes what a process prints, from whichever goroutine.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write is io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is a verb that runs until it is stopped.
type process struct {
	out  lines
	stop context.CancelFunc
	code chan int
}

// run starts a verb that does not end by itself.
func (d *desk) run(args ...string) *process {
	ctx, stop := context.WithCancel(d.t.Context())
	p := &process{stop: stop, code: make(chan int, 1)}
	a := newApp(&p.out, &p.out)
	cmd := root(a)
	cmd.SetArgs(append([]string{"--config", filepath.Join(d.dir, "portage.yaml")}, args...))
	go func() {
		code := a.finish(cmd.ExecuteContext(ctx))
		a.close()
		p.code <- code
	}()
	return p
}

// end stops a process and returns its exit code.
func (p *process) end() int {
	p.stop()
	return <-p.code
}

// eventually waits until a verb prints something.
func (d *desk) eventually(says string, args ...string) {
	d.t.Helper()
	var out string
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(out, says); out, _ = d.portage(args...) {
		require.True(d.t, time.Now().Before(deadline), "%v: want %q, have\n%s", args, says, out)
	}
}

// TestProcesses: an orchestrator and a worker take a migration to where a person
// has to act, and end in order when they are told to.
func TestProcesses(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	d.produce("orders", 3)
	early := d.run("serve")
	require.Equal(t, exitFailed, <-early.code)
	require.Contains(t, early.out.String(), "run portage init", "there is nothing to serve yet")
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	require.Contains(t, d.ok("why", "m"), "portage start m")
	d.ok("start", "m")
	out := d.ok("why", "m")
	require.Contains(t, out, "its copy to begin")
	require.Contains(t, out, "no worker is running")
	require.NotContains(t, d.ok("why", "m", "--at", "2"), "no worker is running", "of the past nothing is asked")

	serve := d.run("serve", "--no-worker")
	d.eventually("the copy to reach the source's end", "why", "m")
	second := d.run("serve")
	require.Equal(t, exitFailed, <-second.code)
	require.Contains(t, second.out.String(), "another `portage serve` runs here")
	work := d.run("work", "-v")
	d.eventually("synced", "status", "m")
	require.NotContains(t, d.ok("why", "m"), "no worker is running")
	require.Contains(t, d.ok("status"), "1/1")

	require.Equal(t, exitDone, work.end(), work.out.String())
	require.Equal(t, exitDone, serve.end(), serve.out.String())
	for _, p := range []*process{work, serve} {
		require.Contains(t, p.out.String(), "ended in order")
	}
	require.Contains(t, work.out.String(), `"level":"debug"`)
	d.ok("cancel", "m")
	serve = d.run("serve")
	d.eventually("m is cancelled: nothing is left to do", "why", "m")
	require.Equal(t, exitDone, serve.end())
}

// TestListenInUse: a process that cannot serve its metrics does not run without.
func TestListenInUse(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	taken := d.pair.Source.Bootstrap()[0]
	for _, verb := range []string{"serve", "work"} {
		p := d.run(verb, "--listen", taken)
		require.Equal(t, exitFailed, <-p.code)
		require.Contains(t, p.out.String(), taken)
	}
	d.configure("")
	d.append("portage.yaml", fmt.Sprintf("listen: %s\n", taken))
	p := d.run("serve")
	require.Equal(t, exitFailed, <-p.code, "the configuration names the address, too")
	require.Contains(t, p.out.String(), taken)
}

// TestProfile: a process that was asked for a profile has written it when it ends.
func TestProfile(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	for _, verb := range []string{"serve", "work"} {
		path := filepath.Join(d.dir, verb+".pprof")
		t.Setenv("PORTAGE_PROFILE", path)
		p := d.run(verb)
		require.Eventually(t, func() bool { return strings.Contains(p.out.String(), "ing\"}") }, time.Minute, 10*time.Millisecond, "%s", &p.out)
		require.Equal(t, exitDone, p.end(), p.out.String())
		written, err := os.Stat(path)
		require.NoError(t, err)
		require.Positive(t, written.Size())
	}
	t.Setenv("PORTAGE_PROFILE", d.dir)
	p := d.run("work")
	require.Equal(t, exitFailed, <-p.code)
	require.Contains(t, p.out.String(), "name a file that can be written")
}

// TestFinish: what is said at the end, and the code.
func TestFinish(t *testing.T) {
	for says, c := range map[string]struct {
		err  error
		code int
	}{
		"": {nil, exitDone},
		"portage: interrupted; everything was stopped in order\n": {fmt.Errorf("read: %w", context.Canceled), exitDetached},
		"portage: the disk is full\n":                             {errors.New("the disk is full"), exitFailed},
		"portage: no\n":                                           {refusedf("no"), exitRefused},
	} {
		var out bytes.Buffer
		require.Equal(t, c.code, newApp(nil, &out).finish(c.err))
		require.Equal(t, says, out.String())
	}
	var out bytes.Buffer
	a := newApp(nil, &out)
	a.flags.output = "json"
	refused := &commands.Refused{Migration: "m", Type: "StartRequested", Stream: "migration", Reason: "no", Possible: []events.Type{"PauseRequested"}}
	require.Equal(t, exitRefused, a.finish(errors.Join(fmt.Errorf("first: %w", refused), refused, errors.New("and more"))))
	one := `{"migration":"m","type":"StartRequested","stream":"migration","reason":"no","possible":["PauseRequested"]}`
	says, err := json.Marshal("first: " + refused.Error() + "\n" + refused.Error() + "\nand more")
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"error":%s,"exit_code":3,"refused":[%s,%s]}`, says, one, one), out.String())
	out.Reset()
	require.Equal(t, exitDone, a.finish(nil))
	require.Empty(t, out.String())
	require.Equal(t, exitWaiting, newApp(nil, &out).finish(&codedError{exitWaiting, errSilent}))
	require.Empty(t, out.String(), "it was said already")
}
