package realkafka

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultHeapMB is the heap of a broker unless Options say otherwise, in MiB.
const DefaultHeapMB = 512

// Command is a Java program out of a fetched version, not started yet: a command-line tool such as
// org.apache.kafka.tools.ConsoleConsumer, or org.apache.kafka.connect.mirror.MirrorMaker. It logs warnings to standard error.
func Command(ctx context.Context, version, class string, args ...string) (*exec.Cmd, error) {
	if err := Available(version); err != nil {
		return nil, err
	}
	dir, err := libs(version)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "java", javaArgs(dir, DefaultHeapMB, nil, class, args...)...), nil
}

// javaArgs is the command line of a JVM: one collector thread, a bounded heap, warnings to standard error with their time.
func javaArgs(libs string, heapMB int, jvm []string, class string, args ...string) []string {
	all := []string{
		"-Xmx" + strconv.Itoa(heapMB) + "m", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-Dlog4j2.disable.jmx=true",
	}
	all = append(all, jvm...)
	all = append(all, "-cp", filepath.Join(libs, "*"), class)
	return append(all, args...)
}

// tail is the last n lines of a file, or why there are none.
func tail(path string, n int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return lastLines(raw, n)
}

func lastLines(raw []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
