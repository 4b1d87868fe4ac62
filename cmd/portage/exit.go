package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events/log"
)

// Exit codes, a promise to scripts.
const (
	exitDone       = 0
	exitFailed     = 1
	exitRefused    = 3
	exitWaiting    = 4
	exitUnknown    = 6
	exitUsage      = 64
	exitPermission = 77
	exitTimeout    = 124
	exitDetached   = 130
)

// errSilent is a failure of which everything was said already.
var errSilent = errors.New("failed")

// codedError carries an exit code of its own.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func usage(err error) error { return &codedError{exitUsage, err} }

// refusedf refuses what was asked for before it has become a command.
func refusedf(format string, args ...any) error {
	return &codedError{exitRefused, fmt.Errorf(format, args...)}
}

// exitCode maps an error to the code that scripts see.
func exitCode(err error) int {
	var coded *codedError
	var refused *commands.Refused
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &refused):
		return exitRefused
	case errors.Is(err, log.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, cluster.ErrUnauthorized), errors.Is(err, cluster.ErrAuthentication):
		return exitPermission
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded): // the latter: of a connection
		return exitTimeout
	case errors.Is(err, context.Canceled):
		return exitDetached
	}
	return exitFailed
}
