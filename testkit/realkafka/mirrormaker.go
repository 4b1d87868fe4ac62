package realkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// MirrorMakerHeapMB is the heap of a MirrorMaker 2 in MiB: what Kafka's own start script gives it.
const MirrorMakerHeapMB = 2048

// MirrorMaker is a running MirrorMaker 2 of version Target, on its own (dedicated, without a Connect cluster).
type MirrorMaker struct {
	dir   string
	child *process
}

// StartMirrorMaker starts a MirrorMaker 2 with the given settings: those of connect-mirror-maker.properties, as
//
//	clusters = src,dst
//	src.bootstrap.servers = 127.0.0.1:19092
//	dst.bootstrap.servers = 127.0.0.1:29092
//	src->dst.enabled = true
//	src->dst.topics = orders
//	replication.factor = 1
//
// It returns once the process runs; when it copies, records on the target will tell. Stop must be called; the end of ctx
// kills it, too. Between readings of CPU the collector of the Java machine is the same as in the brokers (serial).
func StartMirrorMaker(ctx context.Context, props map[string]string) (*MirrorMaker, error) {
	if err := Available(Target); err != nil {
		return nil, err
	}
	classPath, err := libs(Target)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "portage-mirrormaker-")
	if err != nil {
		return nil, err
	}
	m := &MirrorMaker{dir: dir}
	args := javaArgs(classPath, MirrorMakerHeapMB, nil, "org.apache.kafka.connect.mirror.MirrorMaker", m.settings())
	err = os.WriteFile(m.settings(), []byte(render(props)), 0o600) // passwords may be in it
	if err == nil {
		m.child, err = launch(exec.CommandContext(ctx, "java", args...), m.logFile())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("realkafka: start MirrorMaker 2: %w", err), os.RemoveAll(dir))
	}
	return m, nil
}

func (m *MirrorMaker) settings() string { return filepath.Join(m.dir, "mm2.properties") }

func (m *MirrorMaker) logFile() string { return filepath.Join(m.dir, "out.log") }

// CPU is the processor time, user and system, that it has used since its start, in steps of 10 ms; of a stopped one all
// that it ever used. errors.ErrUnsupported where a process cannot be asked while it runs (not Linux).
func (m *MirrorMaker) CPU() (time.Duration, error) {
	used, err := m.child.cpu()
	if err != nil {
		return 0, fmt.Errorf("realkafka: processor time of MirrorMaker 2: %w", err)
	}
	return used, nil
}

// Done is closed when the process has ended, by itself or not; a MirrorMaker 2 that is waited for should still run.
func (m *MirrorMaker) Done() <-chan struct{} { return m.child.done }

// Tail is the last n lines that it logged: warnings and errors. There are none after Stop.
func (m *MirrorMaker) Tail(n int) string { return tail(m.logFile(), n) }

// Stop kills it and removes its files. It may be called more than once.
func (m *MirrorMaker) Stop() error {
	return errors.Join(m.child.end(os.Kill, patience), os.RemoveAll(m.dir))
}
