package realkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoMaven says that Maven, which fetches Apache Kafka, is not installed.
var ErrNoMaven = errors.New("realkafka: Maven (mvn) is not installed")

// Fetch downloads the given versions (none: all pinned ones) from Maven Central into CacheDir. What is there already is
// left alone, so that a second call needs neither network nor Maven. Several processes may fetch at once.
func Fetch(ctx context.Context, versions ...string) error {
	if len(versions) == 0 {
		versions = Pinned()
	}
	for _, v := range versions {
		dir, err := libs(v)
		if err != nil {
			return err
		}
		if complete(dir, v) {
			continue
		}
		if err := fetch(ctx, v, dir); err != nil {
			return fmt.Errorf("realkafka: fetch Apache Kafka %s into %s: %w", v, dir, err)
		}
	}
	return nil
}

// fetch fills a folder of its own and moves it into place, so that nobody ever sees half a version.
func fetch(ctx context.Context, version, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: install it (apt-get install maven)", ErrNoMaven)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), []byte(pom(version)), 0o644); err != nil {
		return err
	}
	// -C: bytes that do not have the repository's checksum fail the fetch; Maven alone would warn and go on.
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-C", "dependency:copy-dependencies", "-DoutputDirectory=libs")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn: %w\n%s", err, lastLines(out, 20))
	}
	return moveIn(filepath.Join(tmp, "libs"), dir, version)
}

func moveIn(from, dir, version string) error {
	if !complete(from, version) {
		return fmt.Errorf("%w: Maven succeeded without all of %v of version %s", ErrNotFetched, artifacts(), version)
	}
	if err := os.RemoveAll(dir); err != nil { // an incomplete leftover
		return err
	}
	if err := os.Rename(from, dir); err != nil && !complete(dir, version) { // another process may have been faster
		return err
	}
	return nil
}

// pom is a Maven project that depends on one version of Apache Kafka. 2.8 and 3.9 bring a second slf4j binding, which is left
// out: with two, the class path's order decides which one logs.
func pom(version string) string {
	var b strings.Builder
	b.WriteString("<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>" +
		"<groupId>portage</groupId><artifactId>kafka</artifactId><version>1</version>\n<dependencies>\n")
	for _, a := range artifacts() {
		dependency(&b, "org.apache.kafka", a, version,
			"<exclusions>"+exclusion("slf4j-reload4j")+exclusion("slf4j-log4j12")+"</exclusions>")
	}
	dependency(&b, "org.slf4j", "slf4j-simple", "1.7.36", "")
	b.WriteString("</dependencies>\n</project>\n")
	return b.String()
}

func exclusion(artifact string) string {
	return "<exclusion><groupId>org.slf4j</groupId><artifactId>" + artifact + "</artifactId></exclusion>"
}

func dependency(b *strings.Builder, group, artifact, version, more string) {
	fmt.Fprintf(b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>%s</dependency>\n",
		group, artifact, version, more)
}
