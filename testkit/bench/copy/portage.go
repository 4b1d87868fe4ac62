package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/portage-kafka/portage/testkit/realkafka"
)

// portage is the product as a user runs it: `portage serve` with its worker,
// told what to do from the command line.
type portage struct {
	b       *bench
	program string
}

// mover finds a mover by its name.
func (b *bench) mover(ctx context.Context, name string) (mover, error) {
	switch name {
	case "limit":
		return limit{b}, nil
	case "mm2-default":
		return mirrorMaker{b: b}, nil
	case "mm2-tuned":
		return mirrorMaker{b: b, tuned: true}, nil
	case "portage":
		return b.portage(ctx)
	}
	return nil, fmt.Errorf("mover %q: there are portage, mm2-default, mm2-tuned and limit", name)
}

func (b *bench) portage(ctx context.Context) (mover, error) {
	m := portage{b: b, program: filepath.Join(b.dir, "portage")}
	build := exec.CommandContext(ctx, "go", "build", "-o", m.program, "github.com/portage-kafka/portage/cmd/portage")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build portage: %w: %s", err, out)
	}
	config := fmt.Sprintf("control: target\ndata: %s\nclusters:\n  source: {bootstrap: [%s]}\n  target: {bootstrap: [%s]}\n",
		filepath.Join(b.dir, "data"), strings.Join(b.bootstrap(0), ", "), strings.Join(b.bootstrap(1), ", "))
	if err := os.WriteFile(filepath.Join(b.dir, "portage.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	return m, m.say(ctx, "init")
}

func (portage) name() string { return "portage" }

// say runs one command of the CLI.
func (m portage) say(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, m.program, args...)
	cmd.Dir = m.b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("portage %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (m portage) start(ctx context.Context, l *loaded, number int) (moving, error) {
	name := copyName("portage", l, number)
	plan := filepath.Join(m.b.dir, name+".yaml")
	text := fmt.Sprintf("migration: %s\nsource: source\ntargets: [target]\nstrategy: consumers-first\ntopics:\n  - {name: %s, target_name: %s}\n", name, l.topic, name)
	if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
		return moving{}, err
	}
	serve, log, err := m.serve(name)
	if err != nil {
		return moving{}, err
	}
	ended := make(chan error, 1)
	go func() {
		err := serve.Wait()
		_ = log.Close()
		ended <- fmt.Errorf("%w: see its log (with -keep)", err)
	}()
	run := moving{topic: name, cpu: func() (time.Duration, error) { return realkafka.ProcessCPU(serve.Process.Pid) }, failed: ended}
	run.stop = func(ctx context.Context) error { return m.end(ctx, name, serve, ended) }
	for _, args := range [][]string{{"create", "--despite-preflight", "-f", plan}, {"start", name}} {
		if err := m.say(ctx, args...); err != nil {
			return run, err
		}
	}
	return run, nil
}

func (m portage) serve(name string) (*exec.Cmd, *os.File, error) {
	log, err := os.Create(filepath.Join(m.b.dir, name+".log"))
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(m.program, "serve")
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.b.dir, log, log
	cmd.Env = append(os.Environ(), "PORTAGE_PROFILE="+filepath.Join(m.b.dir, name+".pprof"))
	return cmd, log, cmd.Start()
}

// end cancels the migration, so that the topic is free again, and stops.
func (m portage) end(ctx context.Context, name string, serve *exec.Cmd, ended <-chan error) error {
	err := m.say(ctx, "cancel", name)
	for err == nil {
		var out []byte
		cmd := exec.CommandContext(ctx, m.program, "get", "migration", name, "-o", "json")
		cmd.Dir = m.b.dir
		if out, err = cmd.Output(); bytes.Contains(out, []byte(`"phase": "cancelled"`)) {
			break
		}
		time.Sleep(100 * time.Millisecond) //rules:sleep the command line offers no wait
	}
	_ = serve.Process.Signal(os.Interrupt)
	<-ended //nolint:errcheck // it was told to
	return err
}
