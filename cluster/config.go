package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/rs/zerolog"
)

// Config says how to reach one cluster. Only Bootstrap is required.
type Config struct {
	// Bootstrap lists brokers as host:port; any one that answers is enough. Two or three survive a broker's failure.
	Bootstrap []string `yaml:"bootstrap" json:"bootstrap"`
	// TLS encrypts connections; nil leaves them plain. An empty section (tls: {}) uses the system's CAs.
	TLS *auth.TLS `yaml:"tls,omitempty" json:"tls,omitempty"`
	// SASL authenticates connections; nil leaves it to TLS client certificates, or to nobody.
	SASL *auth.SASL `yaml:"sasl,omitempty" json:"sasl,omitempty"`
	// ClientID is shown in broker logs and metrics and used for quotas. Default "portage".
	ClientID string `yaml:"client_id,omitempty" json:"client_id,omitempty"`

	// DialTimeout bounds connecting, TLS and SASL together. Default 10s.
	DialTimeout time.Duration `yaml:"dial_timeout,omitempty" json:"dial_timeout,omitempty"`
	// RequestTimeout bounds one call beyond the time that the request itself allows the broker to wait (a long poll, a
	// rebalance). A shorter deadline of the caller's context counts. Default 30s.
	RequestTimeout time.Duration `yaml:"request_timeout,omitempty" json:"request_timeout,omitempty"`
	// IdleTimeout closes unused connections; keep it below the brokers' connections.max.idle.ms (10 minutes) and the
	// idle limit of load balancers in between. Default 3m.
	IdleTimeout time.Duration `yaml:"idle_timeout,omitempty" json:"idle_timeout,omitempty"`
	// BrokerRefresh is the longest time between two looks at the list of brokers. An unknown broker is looked up at
	// once in any case. Default 10s.
	BrokerRefresh time.Duration `yaml:"broker_refresh,omitempty" json:"broker_refresh,omitempty"`
	// Settle is how long a read waits for a partition that was just created or is changing its leader. Default 2s.
	Settle time.Duration `yaml:"settle,omitempty" json:"settle,omitempty"`

	// Dial replaces the way TCP connections are opened (proxies, tests).
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-" json:"-"`
	// Log receives what happens to calls, at debug level; the zero value discards it.
	Log zerolog.Logger `yaml:"-" json:"-"`
	// Hooks observe calls; see Hooks.
	Hooks Hooks `yaml:"-" json:"-"`
}

// Hooks are called synchronously and must return quickly; nil ones are skipped.
type Hooks struct {
	// Call is called after every request to a broker.
	Call func(CallInfo)
}

// CallInfo describes one request to a broker.
type CallInfo struct {
	Cluster string // the client's name
	API     string // Kafka's name of the request, for example "ListOffsets"
	Broker  int32  // −1: any
	Took    time.Duration
	Err     error // nil when there was a response, whatever its error codes
}

// withDefaults returns the configuration with every unset field filled in.
func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "portage"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	for _, d := range c.durations() {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// duration is a field of Config, its name and its default.
type duration struct {
	field *time.Duration
	name  string
	value time.Duration
}

func (c *Config) durations() []duration {
	return []duration{
		{&c.DialTimeout, "dial_timeout", 10 * time.Second},
		{&c.RequestTimeout, "request_timeout", 30 * time.Second},
		{&c.IdleTimeout, "idle_timeout", 3 * time.Minute},
		{&c.BrokerRefresh, "broker_refresh", 10 * time.Second},
		{&c.Settle, "settle", 2 * time.Second},
	}
}

// Validate reports every mistake it finds. It reads certificate files but asks no broker.
func (c Config) Validate() error {
	var errs []error
	if len(c.Bootstrap) == 0 {
		errs = append(errs, errors.New("bootstrap is empty: list brokers as host:port"))
	}
	for _, address := range c.Bootstrap {
		if err := validateAddress(address); err != nil {
			errs = append(errs, err)
		}
	}
	for _, d := range c.durations() {
		if *d.field < 0 {
			errs = append(errs, fmt.Errorf("%s is %s: give a positive duration such as 30s", d.name, *d.field))
		}
	}
	if c.TLS != nil {
		errs = append(errs, c.TLS.Validate())
	}
	if c.SASL != nil {
		errs = append(errs, c.SASL.Validate(), c.validateMSK())
	}
	return errors.Join(errs...)
}

// validateMSK: AWS_MSK_IAM is not performed by package auth, and its brokers take it over TLS only.
func (c Config) validateMSK() error {
	switch {
	case c.SASL.Name() != auth.MSKIAM:
		return nil
	case c.SASL.Login == nil:
		return errors.New("sasl.mechanism AWS_MSK_IAM needs its login: set SASL.Login to msk.New(…) of package cluster/auth/msk")
	case c.TLS == nil:
		return errors.New("sasl.mechanism AWS_MSK_IAM needs TLS: add tls: {} (Java: security.protocol=SASL_SSL) and use the brokers' port for IAM, 9098")
	}
	return nil
}

func validateAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("bootstrap %q: %w: write host:port, for example broker-1:9092", address, err)
	}
	if n, err := strconv.Atoi(port); host == "" || err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("bootstrap %q: write host:port, for example broker-1:9092", address)
	}
	return nil
}
