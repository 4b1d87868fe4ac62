package realkafka

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithParent makes the kernel kill the child when the thread that started it ends, however the process came to die.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// clockTick is the unit of processor times in /proc: Linux tells programs of 100 per second whatever the kernel counts in
// (USER_HZ, proc(5)).
const clockTick = 10 * time.Millisecond

// processorTime is what a process has used, all threads together: utime and stime, fields 14 and 15 of /proc/PID/stat. The
// second field is the command's name in brackets, which may hold anything.
func processorTime(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parseStat(path, string(raw))
}

func parseStat(path, stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s has %d fields after the name, wanted are 13 or more: %.100q", path, len(fields), stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time in %s: %w", path, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// terminate is the signal after which a broker shuts down in order.
func terminate() os.Signal { return syscall.SIGTERM }
