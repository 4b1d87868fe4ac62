// Command gen writes the JSON Schemas and the reference page of the control
// topics into the folder that it is run in, from the catalogue and the comments
// of package events:
//
//	go generate ./events/schema
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run("..", "."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run reads the sources of package events and writes the files into a folder.
// Schemas of types that are gone are removed.
func run(sources, out string) error {
	files, err := generate(sources)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, wanted := files[filepath.Base(path)]; !wanted {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the files by name.
func generate(sources string) (map[string][]byte, error) {
	d, err := readDocs(sources)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for name, s := range schemas(d) {
		text, err := s()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = text
	}
	var page bytes.Buffer
	writePage(&page, d)
	files["README.md"] = page.Bytes()
	return files, nil
}

// oneLine turns a comment into a sentence of one line.
func oneLine(comment string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("[Body]", "Body", "[", "", "]", "").Replace(comment)), " ")
}
