package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// seed is the address that kafka-go is given for "any broker of the bootstrap list". Choosing one is ours, because
// kafka-go would go on to the next address even with a refused login (which locks accounts), and would let the first
// unreachable address use up the whole time.
type seed struct{}

const seedAddress = "bootstrap"

// Network is net.Addr.
func (seed) Network() string { return "tcp" }

// String is net.Addr.
func (seed) String() string { return seedAddress }

// SeedError says that no address of the bootstrap list could be used.
type SeedError struct{ Errs []error }

// Error lists what went wrong with each address.
func (e *SeedError) Error() string {
	texts := make([]string, len(e.Errs))
	for i, err := range e.Errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the error of each address.
func (e *SeedError) Unwrap() []error { return e.Errs }

// dialSeed connects to the first address of the bootstrap list, in random order, that can be used.
func (t *Transport) dialSeed(ctx context.Context, network string) (net.Conn, error) {
	var errs []error
	order := rand.Perm(len(t.cfg.Bootstrap))
	for i, at := range order {
		one, cancel := share(ctx, len(order)-i)
		conn, err := t.dialOne(one, network, t.cfg.Bootstrap[at])
		cancel()
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if final(err) || ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, &SeedError{errs}
}

// share gives one of n attempts its part of the time that is left.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || n == 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}

// final says that the other brokers would answer the same.
func final(err error) bool {
	var login *LoginError
	return errors.Is(err, ErrClosed) || errors.As(err, &login) && login.Code != 0
}
