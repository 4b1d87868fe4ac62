package realkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// errDown says that a broker does not run.
var errDown = errors.New("realkafka: broker is down")

// broker is one broker, running or not.
type broker struct {
	id         int
	dir        string
	java       func(class string, args ...string) []string // command line of a JVM
	formatArgs []string                                    // what the data folder begins with
	log        func(format string, args ...any)
	mu         sync.Mutex
	child      *process      // nil before the first launch; guarded by mu
	former     time.Duration // processor time of the children before; guarded by mu
}

// compiler is how the Java machine compiles.
func compiler(o Options) []string {
	if o.FullJIT {
		return nil
	}
	return []string{"-XX:TieredStopAtLevel=1"}
}

// newBroker writes the settings of a broker.
func (c *Cluster) newBroker(id int) (*broker, error) {
	b := &broker{
		id: id, dir: filepath.Join(c.dir, brokerDir(id)), log: c.logf, formatArgs: scramArgs(c.opts),
		java: func(class string, args ...string) []string {
			return javaArgs(c.libs, c.opts.HeapMB, slices.Concat(compiler(c.opts), allowJWKS(c.opts, c.dir), c.opts.JVM), class, args...)
		},
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, err
	}
	props := properties(c.opts, c.dir, id, c.ports)
	if err := inlineKeys(c.opts, props); err != nil {
		return nil, err
	}
	return b, os.WriteFile(b.settings(), []byte(render(props)), 0o600) // passwords are in it
}

func (b *broker) settings() string { return filepath.Join(b.dir, "server.properties") }

func (b *broker) logFile() string { return filepath.Join(b.dir, "out.log") }

func (b *broker) tail(n int) string { return tail(b.logFile(), n) }

// format prepares the data folder, which a KRaft broker demands before its first start.
func (b *broker) format(ctx context.Context, clusterID string) error {
	args := append([]string{"format", "--ignore-formatted", "-t", clusterID, "-c", b.settings()}, b.formatArgs...)
	cmd := exec.CommandContext(ctx, "java", b.java("kafka.tools.StorageTool", args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format the data of broker %d: %w\n%s", b.id, err, lastLines(out, 20))
	}
	return nil
}

func (b *broker) launch() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.child != nil && b.child.alive() {
		return nil
	}
	child, err := launch(exec.Command("java", b.java("kafka.Kafka", b.settings())...), b.logFile())
	if err != nil {
		return fmt.Errorf("broker %d: %w", b.id, err)
	}
	if b.child != nil {
		b.former += b.child.used
	}
	b.child = child
	b.log("broker %d started, process %d", b.id, child.os.Pid)
	return nil
}

func (b *broker) running() *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.child == nil || !b.child.alive() {
		return nil
	}
	return b.child
}

func (b *broker) kill(sig os.Signal) error {
	child := b.running()
	if child == nil {
		return nil
	}
	if err := child.end(sig, patience); err != nil {
		return fmt.Errorf("broker %d: %w", b.id, err)
	}
	b.log("broker %d ended: %v", b.id, child.err)
	return nil
}

func (b *broker) signal(send func(*os.Process) error) error {
	child := b.running()
	if child == nil {
		return fmt.Errorf("%w: broker %d", errDown, b.id)
	}
	return send(child.os)
}
