package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Secret is a password, token or key, or a reference to one:
//
//	file:/run/secrets/kafka     the content of the file, without trailing line breaks
//	env:KAFKA_PASSWORD          the value of the environment variable
//	command:vault read -field=… the standard output of the command, without trailing line breaks; words are split at
//	                            spaces and no shell is involved
//	literal:secret              what follows the colon, whatever it looks like
//	anything else               the secret itself
type Secret string

const (
	schemeFile    = "file:"
	schemeEnv     = "env:"
	schemeCommand = "command:"
	schemeLiteral = "literal:"

	redacted = "[redacted]"
	// maxSecret bounds what is read: tokens have some KB.
	maxSecret = 1 << 20
)

// Literal returns a Secret that is value itself, even if that looks like a reference.
func Literal(value string) Secret {
	if scheme, _ := Secret(value).split(); scheme != "" {
		return schemeLiteral + Secret(value)
	}
	return Secret(value)
}

// ErrNoSecret says that a reference leads to nothing.
var ErrNoSecret = errors.New("the secret is empty")

// Resolve returns the secret itself, as it is now. A command is killed when ctx ends; a file that is absent or empty is
// looked at again for a moment, since it may be in the course of being replaced.
func (s Secret) Resolve(ctx context.Context) (string, error) {
	if scheme, _ := s.split(); scheme != schemeFile {
		return s.once(ctx)
	}
	return patiently(ctx, func() (string, error) { return s.once(ctx) })
}

// once is Resolve without the patience.
func (s Secret) once(ctx context.Context) (string, error) {
	value, err := s.read(ctx)
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", s, err)
	}
	if value == "" {
		return "", fmt.Errorf("read secret %s: %w", s, ErrNoSecret)
	}
	return value, nil
}

func (s Secret) read(ctx context.Context) (string, error) {
	scheme, rest := s.split()
	switch scheme {
	case schemeFile:
		return readFile(rest)
	case schemeEnv:
		value, ok := os.LookupEnv(rest)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", rest)
		}
		return value, nil
	case schemeCommand:
		return runCommand(ctx, rest)
	}
	return rest, nil
}

func (s Secret) split() (scheme, rest string) {
	for _, scheme := range []string{schemeFile, schemeEnv, schemeCommand, schemeLiteral} {
		if rest, ok := strings.CutPrefix(string(s), scheme); ok {
			return scheme, rest
		}
	}
	return "", string(s)
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return trim(content), err
}

func runCommand(ctx context.Context, line string) (string, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", errors.New("the command is empty")
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = time.Second // what the command has started may hold its output open
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %.200s", err, trim(complaint.Bytes()))
	}
	return trim(out.Bytes()), nil
}

func trim(b []byte) string { return strings.TrimRight(string(b), "\r\n") }

// IsReference says whether the secret is stored elsewhere.
func (s Secret) IsReference() bool {
	scheme, _ := s.split()
	return scheme != "" && scheme != schemeLiteral
}

// String shows a reference but never a literal secret. Arguments of a command are hidden, too.
func (s Secret) String() string {
	scheme, rest := s.split()
	switch {
	case s == "":
		return ""
	case scheme == "" || scheme == schemeLiteral:
		return redacted
	case scheme == schemeCommand:
		name, _, more := strings.Cut(strings.TrimSpace(rest), " ")
		if more {
			name += " …"
		}
		return scheme + name
	}
	return string(s)
}

// Format prints String whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText serves JSON, YAML and logs: redacted.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML serves YAML: redacted.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
