package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// hired is the worker process, seen from the bench.
type hired struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *json.Encoder
	looks *json.Decoder
	// first is what it looked like with nothing to do.
	first look
}

// hire starts the worker process and waits until it is a member of its group.
func (b *bench) hire(ctx context.Context) (*hired, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, workerWord)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &hired{cmd: cmd, in: in, lines: json.NewEncoder(in), looks: json.NewDecoder(out)}
	if err := w.lines.Encode(b.setup); err != nil {
		return nil, errors.Join(err, w.dismiss())
	}
	if err := w.looks.Decode(&w.first); err != nil {
		return nil, errors.Join(fmt.Errorf("it did not join its group: %w", err), w.dismiss())
	}
	return w, nil
}

// look has the worker look at itself.
func (w *hired) look() (l look, err error) {
	if err := w.lines.Encode("look"); err != nil {
		return l, fmt.Errorf("the worker has ended: %w", err)
	}
	if err := w.looks.Decode(&l); err != nil {
		return l, fmt.Errorf("the worker has ended: %w", err)
	}
	return l, nil
}

// dismiss ends the worker gracefully.
func (w *hired) dismiss() error {
	_ = w.in.Close() // the process may have ended already
	return w.cmd.Wait()
}
