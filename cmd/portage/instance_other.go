//go:build !unix || aix || solaris

package main

import (
	"errors"
	"os"
)

// lock cannot do its work: this system has no locks that end with a process.
func lock(*os.File) error {
	return errors.New("this system has no flock: run the worker without --instance")
}
