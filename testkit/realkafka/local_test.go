package realkafka

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJavaRelease(t *testing.T) {
	for out, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime": 17,
		"java version \"1.8.0_392\"":                              8,
		"openjdk version \"21\" 2023-09-19":                       21,
		"openjdk version \"25-ea\" 2025-09-16":                    25,
	} {
		got, err := javaRelease(out)
		require.NoError(t, err, out)
		require.Equal(t, want, got, out)
	}
	_, err := javaRelease("command not found")
	require.ErrorContains(t, err, "command not found")
}

func FuzzJavaRelease(f *testing.F) {
	f.Add("openjdk version \"17.0.15\" 2025-04-15")
	f.Fuzz(func(t *testing.T, out string) {
		if n, err := javaRelease(out); err == nil && n < 0 {
			t.Fatalf("%d out of %q", n, out)
		}
	})
}

func TestPomNamesEveryArtifact(t *testing.T) {
	var p struct {
		Dependencies []struct {
			Group    string `xml:"groupId"`
			Artifact string `xml:"artifactId"`
			Version  string `xml:"version"`
			Without  []struct {
				Artifact string `xml:"artifactId"`
			} `xml:"exclusions>exclusion"`
		} `xml:"dependencies>dependency"`
	}
	require.NoError(t, xml.Unmarshal([]byte(pom("9.9.9")), &p))
	var got []string
	for _, d := range p.Dependencies {
		if d.Group == "org.apache.kafka" {
			require.Equal(t, "9.9.9", d.Version)
			require.Equal(t, "slf4j-reload4j", d.Without[0].Artifact)
			require.Equal(t, "slf4j-log4j12", d.Without[1].Artifact)
			got = append(got, d.Artifact)
		}
	}
	require.Equal(t, artifacts(), got)
}

func TestCacheIsInTheCheckout(t *testing.T) {
	dir, err := CacheDir()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(".cache", "kafka"), filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir)))
	require.FileExists(t, filepath.Join(dir, "..", "..", "go.mod"))

	t.Chdir(t.TempDir())
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv("HOME", home)
	dir, err = CacheDir()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(dir, home), "outside of a checkout it is the user's: %s", dir)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv("PATH", t.TempDir())
	require.ErrorIs(t, Available(), ErrNoJava)
	_, err := Start(context.Background(), Options{})
	require.ErrorIs(t, err, ErrNoJava)
	_, err = Command(context.Background(), Source, "x.Y")
	require.ErrorIs(t, err, ErrNoJava)
	require.ErrorIs(t, Fetch(context.Background()), ErrNoMaven)

	java := func(says string) {
		script := "#!/bin/sh\necho '" + says + "' >&2\n"
		require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("PATH"), "java"), []byte(script), 0o755))
	}
	java(`openjdk version "11.0.2"`)
	require.ErrorContains(t, Available(), "release 11 is too old")
	java(`openjdk version "17.0.2"`)
	err = Available()
	require.ErrorIs(t, err, ErrNotFetched)
	require.ErrorContains(t, err, "version 2.8.2")
	require.ErrorContains(t, err, "make kafka-fetch")
	_, err = StartMirrorMaker(context.Background(), nil)
	require.ErrorIs(t, err, ErrNotFetched)
}

func TestHalfAVersionIsNone(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "libs")
	for _, a := range artifacts()[1:] {
		require.NoError(t, os.WriteFile(filepath.Join(from, a+"-1.0.jar"), nil, 0o644))
	}
	require.False(t, complete(from, "1.0"))
	require.ErrorIs(t, moveIn(from, to, "1.0"), ErrNotFetched)
	require.NoError(t, os.WriteFile(filepath.Join(from, artifacts()[0]+"-1.0.jar"), nil, 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(to, "leftover"), 0o755))
	require.NoError(t, moveIn(from, to, "1.0"))
	require.True(t, complete(to, "1.0"))
	require.NoDirExists(t, filepath.Join(to, "leftover"))
}

func TestPortsAreDistinctFreeAndLow(t *testing.T) {
	ports, err := takePorts(3, []string{"A", "B"})
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, p := range ports {
		for _, port := range []int{p.controller, p.listeners["A"], p.listeners["B"]} {
			require.False(t, seen[port])
			seen[port] = true
			require.GreaterOrEqual(t, port, firstPort)
			require.Less(t, port, lastPort)
		}
	}
	require.Len(t, addresses(ports, "A"), 3)
	require.Empty(t, addresses(ports, "C"))

	l, err := net.Listen("tcp", addresses(ports, "A")[0])
	require.NoError(t, err)
	defer l.Close()
	all, err := freePorts(lastPort - firstPort - 2000)
	require.NoError(t, err)
	require.NotContains(t, all, l.Addr().(*net.TCPAddr).Port)
	_, err = freePorts(lastPort - firstPort)
	require.ErrorIs(t, err, errNoPort)
}

func TestLastLines(t *testing.T) {
	require.Equal(t, "b\nc", lastLines([]byte("a\nb\nc\n"), 2))
	require.Equal(t, "a", lastLines([]byte("a"), 5))
	require.Contains(t, tail(filepath.Join(t.TempDir(), "none"), 3), "no log")
}

func TestUnknownBroker(t *testing.T) {
	c := paper(t, Options{})
	for _, id := range []int{0, 2, -1} {
		require.ErrorContains(t, c.Kill(id, os.Kill), "ids are 1 to 1")
		require.ErrorContains(t, c.Restart(context.Background(), id), "ids are 1 to 1")
		require.ErrorContains(t, c.Pause(id), "ids are 1 to 1")
	}
	require.ErrorIs(t, c.Resume(1), errDown)
	require.NoError(t, c.Kill(1, os.Kill), "what is down already is no error")
	require.Equal(t, []int{1}, c.Brokers())
	require.Contains(t, c.Tail(3), "kafka broker 1 (Apache Kafka 3.9.2)")
}

func TestRequireSkipsUnlessAsked(t *testing.T) {
	t.Setenv(Env, "")
	skipped := t.Run("inner", func(t *testing.T) {
		Require(t)
		panic("not skipped")
	})
	require.True(t, skipped)
}

func TestProcessEndsWithItsOutputInTheFile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "out.log")
	p, err := launch(exec.Command("sh", "-c", "echo hello; exit 3"), log)
	require.NoError(t, err)
	<-p.done
	require.False(t, p.alive())
	var exit *exec.ExitError
	require.True(t, errors.As(p.err, &exit))
	require.Equal(t, 3, exit.ExitCode())
	require.Equal(t, "hello", tail(log, 1))
	require.NoError(t, p.end(os.Kill, time.Minute), "it has ended already")
	_, err = launch(exec.Command(filepath.Join(t.TempDir(), "none")), log)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = launch(exec.Command("true"), filepath.Join(t.TempDir(), "none", "out.log"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStubbornProcessIsKilled(t *testing.T) {
	log := filepath.Join(t.TempDir(), "out.log")
	p, err := launch(exec.Command("sh", "-c", `trap "" TERM; echo ready; while :; do sleep 0.05; done`), log)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return tail(log, 1) == "ready" }, 10*time.Second, 5*time.Millisecond)
	require.ErrorIs(t, p.end(terminate(), 100*time.Millisecond), errStuck)
	require.False(t, p.alive())
}

// TestProcessDiesWithItsParent runs this very test binary as a parent that is killed.
func TestProcessDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	if os.Getenv("PORTAGE_TEST_PARENT") == "1" {
		p, err := launch(exec.Command("sleep", "600"), filepath.Join(t.TempDir(), "out.log"))
		require.NoError(t, err)
		println(p.os.Pid)
		<-p.done
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestProcessDiesWithItsParent$")
	parent.Env = append(os.Environ(), "PORTAGE_TEST_PARENT=1")
	out, err := parent.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child, 0), "the child lives")
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	require.Eventually(t, func() bool { return gone(child) }, 10*time.Second, 10*time.Millisecond)
}

// gone says whether a process has ended; one that nobody has waited for yet counts as ended.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
