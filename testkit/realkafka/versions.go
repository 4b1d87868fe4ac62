package realkafka

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Pinned versions of Apache Kafka: those between which portage is proven to move workloads.
const (
	Oldest = "2.8.2" // the last line that needs ZooKeeper, and that still writes message formats 0 and 1
	Source = "3.9.2" // the last line before 4.0, still in service everywhere
	Target = "4.3.1" // the newest that is complete on Maven Central
)

// MinJava is the oldest Java release that runs all pinned versions.
const MinJava = 17

// Why Available refuses; the wrapping text says what to do.
var (
	ErrNoJava     = errors.New("realkafka: no Java runtime")
	ErrNotFetched = errors.New("realkafka: Apache Kafka is not fetched")
)

// Pinned are all pinned versions, oldest first: those that are fetched and can be started.
func Pinned() []string { return append([]string{Oldest}, Versions()...) }

// Versions are the pinned versions that know today's APIs, oldest first: what tests of the protocol run on.
func Versions() []string { return []string{Source, Target} }

// keepsZoo says whether a version runs with ZooKeeper here; the others are their own controllers.
func keepsZoo(version string) bool { return version == Oldest }

// Available says whether clusters of the given versions (none: all pinned ones) can be started here, else what is missing
// and the command that mends it. It runs `java -version`.
func Available(versions ...string) error {
	if err := checkJava(); err != nil {
		return err
	}
	if len(versions) == 0 {
		versions = Pinned()
	}
	for _, v := range versions {
		dir, err := libs(v)
		if err != nil {
			return err
		}
		if !complete(dir, v) {
			return fmt.Errorf("%w: version %s is not in %s: run `make kafka-fetch`", ErrNotFetched, v, dir)
		}
	}
	return nil
}

func checkJava() error {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: `java -version`: %w: install a JRE of release %d or later", ErrNoJava, err, MinJava)
	}
	release, err := javaRelease(string(out))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoJava, err)
	}
	if release < MinJava {
		return fmt.Errorf("%w: release %d is too old: install a JRE of release %d or later", ErrNoJava, release, MinJava)
	}
	return nil
}

// javaRelease reads the feature release (8, 17, 21) out of what `java -version` prints.
func javaRelease(out string) (int, error) {
	m := regexp.MustCompile(`version "(?:1\.)?(\d+)`).FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("`java -version` printed no version: %.100q", out)
	}
	return strconv.Atoi(m[1])
}

// CacheDir is where fetched versions live: .cache/kafka at the root of the repository, or the user's cache folder when the
// working folder is in no checkout of portage.
func CacheDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("realkafka: find the cache folder: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/portage-kafka/portage\n") {
			return filepath.Join(dir, ".cache", "kafka"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("realkafka: find the cache folder: %w", err)
	}
	return filepath.Join(user, "portage", "kafka"), nil
}

// libs is the folder with the jars of a version.
func libs(version string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, version, "libs"), nil
}

// complete says whether the folder holds a version with its tools, Connect and MirrorMaker 2.
func complete(dir, version string) bool {
	return !slices.ContainsFunc(artifacts(), func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name+"-"+version+".jar"))
		return err != nil
	})
}

// artifacts of group org.apache.kafka that make a usable Kafka: broker, command-line tools, Connect, MirrorMaker 2.
func artifacts() []string {
	return []string{"kafka_2.13", "kafka-tools", "connect-runtime", "connect-mirror"}
}
