package realkafka

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// Internal is the name of the listener that every cluster has: plaintext, on loopback, with all rights.
const Internal = "INTERNAL"

// ErrOptions is what Start refuses; the wrapping text names the field, the value and the remedy.
var ErrOptions = errors.New("realkafka: options")

// Options say what cluster to start. The zero value is one broker of the Source version.
type Options struct {
	// Name is put before this cluster's lines in Log; default "kafka".
	Name string
	// Version is one of Pinned; default Source.
	Version string
	// Brokers is 1 (also for 0) or 3. Every broker is a controller, too, but for Oldest, which has one ZooKeeper; their ids
	// start at 1.
	Brokers int
	// Listeners are further ways in besides Internal: with TLS, SASL or both.
	Listeners []Listener
	// Users can log in with a password; for listeners with PLAIN or SCRAM.
	Users []User
	// ACLs turns Kafka's authorizer on: what no ACL allows is denied, but for whoever comes through Internal or through
	// another listener that asks for neither a certificate nor SASL.
	ACLs bool
	// Properties override or extend the brokers' server.properties.
	Properties map[string]string
	// RebalanceDelay is how long the first join of an empty group waits for others. Default none; Kafka's own is 3 s, which
	// measurements of pauses need.
	RebalanceDelay time.Duration
	// HeapMB is the heap of each broker in MiB; default DefaultHeapMB.
	HeapMB int
	// FullJIT lets the Java machine compile to the full what is hot, as in production: for measurements. Without it the
	// code is compiled once and quickly (C1), which costs a cluster that lives for seconds a third less processor time.
	FullJIT bool
	// JVM are further options of the Java machine.
	JVM []string
	// Dir holds data and logs and is kept when the cluster stops. Default: a temporary folder, removed by Stop.
	Dir string
	// Log receives a line for each start and stop of a broker, and the last lines of a broker that failed. Default none.
	Log io.Writer
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "kafka"
	}
	if o.Version == "" {
		o.Version = Source
	}
	if o.HeapMB == 0 {
		o.HeapMB = DefaultHeapMB
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	o.Brokers = max(o.Brokers, 1)
	return o
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	if o.Brokers != 1 && o.Brokers != 3 {
		return fmt.Errorf("%w: Brokers is %d: use 1 or 3", ErrOptions, o.Brokers)
	}
	if !slices.Contains(Pinned(), o.Version) {
		return fmt.Errorf("%w: Version is %q: use one of %v", ErrOptions, o.Version, Pinned())
	}
	if o.RebalanceDelay < 0 {
		return fmt.Errorf("%w: RebalanceDelay is %v: use 0 or more", ErrOptions, o.RebalanceDelay)
	}
	if o.HeapMB < 256 {
		return fmt.Errorf("%w: HeapMB is %d: a broker needs 256 or more", ErrOptions, o.HeapMB)
	}
	if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(o.Name) {
		return fmt.Errorf("%w: Name is %q: use lower-case letters, digits and dashes", ErrOptions, o.Name)
	}
	return o.validateSecurity()
}

// listenerNames are those of all listeners that clients use.
func (o Options) listenerNames() []string {
	names := []string{Internal}
	for _, l := range o.Listeners {
		names = append(names, l.Name)
	}
	return names
}
