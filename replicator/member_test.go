package replicator

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// child is what a worker in a process of its own needs to know.
type child struct {
	Source, Target []string
	Name           string
}

// childEnv carries a child to a process of this test's program.
const childEnv = "PORTAGE_TEST_WORKER"

// runChild is a worker until it is killed.
func runChild(text string) error {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	open := func(name string, addr []string) (*cluster.Client, error) {
		return cluster.Open(context.Background(), name, cluster.Config{Bootstrap: addr})
	}
	control, err := open("control", c.Target)
	if err != nil {
		return err
	}
	w, err := New(Config{
		Control: control, Name: c.Name, Heartbeat: 200 * time.Millisecond, Session: time.Second,
		Log: zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Str("worker", c.Name).Logger(),
		Clusters: func(_ context.Context, name string) (*cluster.Client, error) {
			return open(name, map[string][]string{"source": c.Source, "target": c.Target}[name])
		},
	})
	if err != nil {
		return err
	}
	return w.Run(context.Background())
}

// process starts a worker in a process of its own.
func (e *env) process() *exec.Cmd {
	e.t.Helper()
	e.workers++
	text, err := json.Marshal(child{Source: e.sourceAddr, Target: e.targetAddr, Name: fmt.Sprint("process-", e.workers)})
	require.NoError(e.t, err)
	program, err := os.Executable()
	require.NoError(e.t, err)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = e.logs
	require.NoError(e.t, cmd.Start())
	e.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// owns counts the partitions on which a worker's claim stands last.
func (e *env) owns(o events.CopyOrder, name string) (n int) {
	for p := range o.Partitions {
		_, _, claims := e.published(events.CopyKey{Migration: "m", Topic: o.Topic, Partition: p})
		if len(claims) > 0 && claims[len(claims)-1].Owner == name {
			n++
		}
	}
	return n
}

// TestFrozenWorkers: a process that is stopped (SIGSTOP) while records flow is
// replaced, and when it wakes up nothing is lost and nothing is doubled. Nor is
// it when processes are killed.
func TestFrozenWorkers(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	frozen(t, e)
}

func frozen(t *testing.T, e *env) {
	o := e.topic("orders", 4, nil)
	e.publish(o)
	stop, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; ; i += 20 {
			select {
			case <-stop:
				return
			default:
				fill(t, e.sourceAddr, o, i, 20)
			}
		}
	}()
	first := e.process()
	e.eventually("the first process copies", func() bool { return e.owns(o, "process-1") == 4 })
	for range 2 {
		require.NoError(t, first.Process.Signal(syscall.SIGSTOP))
		second := e.process()
		name := fmt.Sprint("process-", e.workers)
		e.eventually("the second process copies", func() bool { return e.owns(o, name) == 4 })
		require.NoError(t, first.Process.Signal(syscall.SIGCONT))
		e.eventually("both copy", func() bool { return e.owns(o, name) == 2 })
		require.NoError(t, second.Process.Kill())
		e.eventually("the first process has all again", func() bool { return e.owns(o, name) == 0 })
	}
	close(stop)
	<-written
	e.copied(o)
	e.same(o)
	e.noStops()
}

// TestRestartTakesThePlace: a static member that is started again has its
// partitions long before the session of its predecessor would end, and nobody
// else gets them meanwhile.
func TestRestartTakesThePlace(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	afterRestart(t, e)
}

func afterRestart(t *testing.T, e *env) {
	o := e.topic("orders", 8, nil)
	e.publish(o)
	most := make(chan int, 1000)
	static := func(instance string, owned func(int)) func(*Config) {
		return func(c *Config) {
			c.Instance, c.Session, c.Heartbeat, c.Rebalance, c.Grace = instance, 5*time.Minute, 100*time.Millisecond, 5*time.Minute, 100*time.Millisecond
			c.Hooks.Owned = owned
		}
	}
	a := e.start(static("a", nil))
	e.eventually("all are copied by one", func() bool { return seated(a.Worker) == 8 })
	b := e.start(static("b", func(n int) { most <- n }))
	e.eventually("both copy", func() bool { return seated(a.Worker) == 4 && seated(b.Worker) == 4 })
	for len(most) > 0 {
		<-most
	}
	before := a.Status()
	fill(t, e.sourceAddr, o, 0, 50)
	e.copied(o)
	a.kill()
	fill(t, e.sourceAddr, o, 50, 50)
	a = e.start(static("a", nil))
	e.copied(o)
	for i, s := range a.Status() {
		require.Equal(t, before[i].Key, s.Key)
	}
	for len(most) > 0 {
		require.Equal(t, 4, <-most, "the other one kept what it had")
	}
	e.same(o)
	e.noStops()

	more := e.topic("more", 4, nil) // somebody leads the group
	e.publish(more)
	e.eventually("the partitions are shared", func() bool { return seated(a.Worker) == 6 && seated(b.Worker) == 6 })
	before = a.Status()
	a.stop(t)
	a = e.start(static("a", nil))
	e.eventually("who was stopped in order has its place again, too", func() bool { return seated(a.Worker) == 6 })
	for i, s := range a.Status() {
		require.Equal(t, before[i].Key, s.Key)
	}
	require.Equal(t, 6, seated(b.Worker))
}

// TestStaticMemberStaysAway: the place of a static member that was stopped is kept
// for its session and no longer.
func TestStaticMemberStaysAway(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 4, nil)
	e.publish(o)
	static := func(instance string) func(*Config) {
		return func(c *Config) { c.Instance, c.Grace = instance, time.Millisecond }
	}
	a, b := e.start(static("a")), e.start(static("b"))
	e.eventually("both copy", func() bool { return seated(a.Worker) == 2 && seated(b.Worker) == 2 })
	a.stop(t)
	fill(t, e.sourceAddr, o, 0, 50)
	e.eventually("the other one has all", func() bool { return seated(b.Worker) == 4 })
	e.copied(o)
	e.same(o)
	e.noStops()
}

// TestSameInstanceTwice: of two processes with the same instance the earlier one
// ends.
func TestSameInstanceTwice(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	same := func(c *Config) { c.Instance, c.Grace = "same", time.Millisecond }
	a := e.start(same)
	e.eventually("it copies", func() bool { return seated(a.Worker) == 2 })
	b := e.start(same)
	err := <-a.done
	a.done <- err
	require.ErrorIs(t, err, group.ErrFenced)
	require.ErrorContains(t, err, `another process has the group.instance.id "same"`)
	e.eventually("the later one copies", func() bool { return seated(b.Worker) == 2 })
}

// TestLongerSessions: brokers that do not allow the session get a longer one.
func TestLongerSessions(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{Target: embedded.Side{Properties: map[string]string{"group.min.session.timeout.ms": "3000"}}})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	fill(t, e.sourceAddr, o, 0, 10)
	e.start(nil) // with a session of 1 s
	e.copied(o)
	require.Contains(t, e.logs.String(), "the brokers want a longer session")
}
