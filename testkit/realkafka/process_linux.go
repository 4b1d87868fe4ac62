package realkafka

import (
	"os"
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when the thread that started it ends, however the process came to die.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// terminate is the signal after which a broker shuts down in order.
func terminate() os.Signal { return syscall.SIGTERM }
