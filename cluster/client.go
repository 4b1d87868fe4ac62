package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster/wire"
)

// Client is a connection to one cluster. It is safe for concurrent use.
type Client struct {
	name string
	id   string
	cfg  Config
	wire *wire.Transport
	// opened says that our credentials were good once; it is set before anybody has the client.
	opened bool

	mu           sync.Mutex
	brokers      map[int32]Broker
	leaders      map[string]Topic // by name
	coordinators map[string]int32 // by group
}

// Open connects to the cluster, authenticates and learns its id. The name is used in messages only. An error says which
// of the cluster's brokers was asked what, and what to check.
func Open(ctx context.Context, name string, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, &Error{Cluster: name, API: "configuration", Err: err}
	}
	c := newClient(name, cfg.withDefaults())
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Client) connect(ctx context.Context) error {
	start := time.Now()
	if err := c.wire.Connect(ctx); err != nil {
		c.report("open", -1, start, err)
		return c.wrap(err, failure{api: "open", broker: -1})
	}
	resp, err := c.metadata(ctx, []string{})
	if err != nil {
		return err
	}
	c.id, c.opened = deref(resp.ClusterID), true
	return nil
}

func newClient(name string, cfg Config) *Client {
	c := &Client{
		name: name, cfg: cfg,
		brokers: map[int32]Broker{}, leaders: map[string]Topic{}, coordinators: map[string]int32{},
	}
	w := wire.Config{
		Bootstrap: cfg.Bootstrap, ClientID: cfg.ClientID, Dial: leased(cfg.Dial, cfg.TLS),
		DialTimeout: cfg.DialTimeout, IdleTimeout: cfg.IdleTimeout, Refresh: cfg.BrokerRefresh,
	}
	if cfg.TLS != nil {
		w.TLS = func(host string) (*tls.Config, error) { return cfg.TLS.Client(context.Background(), host) }
	}
	if cfg.SASL != nil {
		w.SASL = cfg.SASL.Client()
	}
	c.wire = wire.NewTransport(w)
	return c
}

// Name is the name given to Open.
func (c *Client) Name() string { return c.name }

// ID is the cluster's own id, which two names for one cluster share.
func (c *Client) ID() string { return c.id }

// Close ends calls in flight and closes every connection.
func (c *Client) Close() error { return c.wire.Close() }

// Connections returns how many connections are open now.
func (c *Client) Connections() int { return c.wire.Connections() }
