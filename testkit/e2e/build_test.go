package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs are the paths of what the tests run; built once a test binary.
type programs struct {
	portage, service string
	err              error
}

var build = sync.OnceValue(func() programs {
	root, err := repository()
	if err != nil {
		return programs{err: err}
	}
	dir := filepath.Join(root, ".cache", "e2e", "bin")
	p := programs{portage: filepath.Join(dir, "portage"), service: filepath.Join(dir, "service")}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if raced {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/portage", "./testkit/service")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return programs{err: &buildError{string(out), err}}
	}
	p.err = touch(root)
	return p
})

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return "go build: " + e.err.Error() + "\n" + e.out }

// repository is the folder of go.mod above this package.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
}

// touch looks at every source file, so that the test cache notices when one has changed: the programs are built from all
// of them, and this package imports only some.
func touch(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
			if os.IsNotExist(err) { // an editor's temporary file
				return nil
			}
		}
		return err
	})
}

// built returns the programs.
func built(t *testing.T) programs {
	t.Helper()
	p := build()
	require.NoError(t, p.err)
	return p
}
