package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// profileLines is how many functions of a profile are shown.
const profileLines = 12

// profiles prints where portage's processor time goes, for each kind of data: the
// functions that use most of it themselves, over all copies.
func (b *bench) profiles(ctx context.Context, out io.Writer) error {
	for _, data := range b.opts.data {
		files, err := filepath.Glob(filepath.Join(b.dir, "portage-"+data+"-*.pprof"))
		if err != nil || len(files) == 0 {
			return err
		}
		args := append([]string{"tool", "pprof", "-top", fmt.Sprint("-nodecount=", profileLines)}, files...)
		top, err := exec.CommandContext(ctx, "go", args...).Output()
		if err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		_, table, _ := strings.Cut(string(top), "\n      flat") // what is before says what the file is
		fmt.Fprintf(out, "\nPROFILE OF PORTAGE COPYING %s (processor time; cum: with what it calls)\n      flat%s", data, table)
	}
	return nil
}
