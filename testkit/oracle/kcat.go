package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// ErrNoKcat says that there is no second reader on this machine.
var ErrNoKcat = errors.New("oracle: kcat is not on the PATH: install it to let a second client count")

// Kcat counts a topic's committed records with kcat (librdkafka), as a second opinion on what ReadTopic reads. The error
// is ErrNoKcat where kcat is not installed.
func Kcat(ctx context.Context, bootstrap []string, topic string) (int64, error) {
	path, err := exec.LookPath("kcat")
	if err != nil {
		return 0, ErrNoKcat
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "-C", "-b", strings.Join(bootstrap, ","), "-t", topic, "-o", "beginning", "-e", "-q",
		"-X", "isolation.level=read_committed", "-X", "client.id=oracle-kcat", "-f", "%o\n")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("oracle: kcat reads topic %s: %w: %s", topic, err, strings.TrimSpace(complaints.String()))
	}
	return int64(bytes.Count(out.Bytes(), []byte("\n"))), nil
}
