//go:build !linux

package realkafka

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// dieWithParent does nothing: only Linux has it. Brokers outlive a test process that is killed.
func dieWithParent(*exec.Cmd) {}

func pause(*os.Process) error  { return errors.ErrUnsupported }
func resume(*os.Process) error { return errors.ErrUnsupported }

func processorTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// terminate is the signal that ends a broker; only some systems know a gentle one.
func terminate() os.Signal { return os.Kill }
