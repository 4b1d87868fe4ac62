package realkafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// startAttempts is how often Start tries when somebody takes a port that was free a moment ago, which portTaken shows.
const (
	startAttempts = 3
	portTaken     = "Address already in use"
)

// Cluster is a running cluster.
type Cluster struct {
	opts    Options
	id      string
	dir     string
	libs    string
	ports   []brokerPorts
	brokers []*broker // broker with id i is at i-1
	keeper  *keeper   // nil without ZooKeeper
	stop    sync.Once

	authority *authority // nil unless a listener speaks TLS
	signer    *signer    // nil unless a listener takes tokens
}

// Start starts a cluster and returns when every broker answers and knows all the others; the context bounds the start only.
// The error carries the last lines of the broker that failed.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := Available(o.Version); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, o)
		if err == nil {
			return c, nil
		}
		if attempt == startAttempts || !strings.Contains(err.Error(), portTaken) {
			return nil, fmt.Errorf("realkafka: start %s (Apache Kafka %s, %d brokers): %w", o.Name, o.Version, o.Brokers, err)
		}
	}
}

// StartAll starts several clusters at once, and none if one fails.
func StartAll(ctx context.Context, all ...Options) ([]*Cluster, error) {
	clusters := make([]*Cluster, len(all))
	var group errgroup.Group
	for i, o := range all {
		group.Go(func() (err error) {
			clusters[i], err = Start(ctx, o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, c := range clusters {
			if c != nil {
				c.Stop()
			}
		}
		return nil, err
	}
	return clusters, nil
}

func start(ctx context.Context, o Options) (*Cluster, error) {
	c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := c.boot(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// prepare makes folders, ports and settings; nothing runs yet.
func prepare(o Options) (*Cluster, error) {
	c := &Cluster{opts: o, id: newID()}
	var err error
	if c.libs, err = libs(o.Version); err != nil {
		return nil, err
	}
	if c.ports, err = takePorts(o.Brokers, o.listenerNames()); err != nil {
		return nil, err
	}
	if c.dir, err = makeDir(o); err != nil {
		return nil, err
	}
	if err := c.furnish(); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// furnish makes keys and the folders of the brokers.
func (c *Cluster) furnish() (err error) {
	if c.authority, err = newAuthority(c.opts, c.dir); err != nil {
		return err
	}
	if c.signer, err = newSigner(c.opts, c.dir); err != nil {
		return err
	}
	if keepsZoo(c.opts.Version) {
		if c.keeper, err = newKeeper(c.dir, c.ports[0].controller); err != nil {
			return err
		}
	}
	for id := 1; id <= c.opts.Brokers; id++ {
		b, err := c.newBroker(id)
		if err != nil {
			return err
		}
		c.brokers = append(c.brokers, b)
	}
	return nil
}

func makeDir(o Options) (string, error) {
	if o.Dir == "" {
		return os.MkdirTemp("", "portage-"+o.Name+"-")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// newID is a random cluster id in Kafka's form: 16 bytes in URL-safe base64.
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
	raw[0] &= 0x7f           // Kafka refuses none, but its tools read a leading dash as an option
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// boot starts all brokers at once and waits for them.
func (c *Cluster) boot(ctx context.Context) error {
	if c.keeper != nil {
		return c.bootWithKeeper(ctx)
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, b := range c.brokers {
		group.Go(func() error {
			if err := b.format(gctx, c.id); err != nil {
				return err
			}
			return b.launch()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.waitReady(ctx, c.brokers...)
}

// bootWithKeeper starts ZooKeeper first; there is nothing to format, and the brokers choose the cluster id.
func (c *Cluster) bootWithKeeper(ctx context.Context) error {
	if err := c.keeper.launch(c.libs); err != nil {
		return err
	}
	if err := c.keeper.addUsers(ctx, c.libs, c.opts); err != nil {
		return fmt.Errorf("%w\n%s", err, c.Tail(tailLines))
	}
	for _, b := range c.brokers {
		if err := b.launch(); err != nil {
			return err
		}
	}
	if err := c.waitReady(ctx, c.brokers...); err != nil {
		return err
	}
	return c.learnID(ctx)
}

// Name is the name given in the options.
func (c *Cluster) Name() string { return c.opts.Name }

// ID is the cluster id that the brokers report.
func (c *Cluster) ID() string { return c.id }

// Version is the version of Apache Kafka that runs.
func (c *Cluster) Version() string { return c.opts.Version }

// Dir holds data and logs until Stop: broker-N/data, broker-N/out.log, broker-N/server.properties; zookeeper/out.log where
// there is one.
func (c *Cluster) Dir() string { return c.dir }

// Bootstrap are the addresses (host:port) of a listener; none if there is no such listener.
func (c *Cluster) Bootstrap(listener string) []string { return addresses(c.ports, listener) }

// Brokers are the ids of all brokers, running or not.
func (c *Cluster) Brokers() (ids []int) {
	for _, b := range c.brokers {
		ids = append(ids, b.id)
	}
	return ids
}

// Stop kills the brokers (and ZooKeeper) and removes their data, unless Options.Dir asked to keep it. It may be called more than once.
func (c *Cluster) Stop() {
	c.stop.Do(func() {
		for _, b := range c.brokers {
			if err := b.kill(os.Kill); err != nil {
				c.logf("%v", err)
			}
		}
		if c.keeper != nil {
			if err := c.keeper.kill(); err != nil {
				c.logf("%v", err)
			}
		}
		if c.opts.Dir == "" {
			if err := os.RemoveAll(c.dir); err != nil {
				c.logf("remove %s: %v", c.dir, err)
			}
		}
	})
}

// Tail is the last n lines of every broker's log, for the output of a failed test.
func (c *Cluster) Tail(n int) string {
	var b strings.Builder
	for _, br := range c.brokers {
		fmt.Fprintf(&b, "--- %s broker %d (Apache Kafka %s), last lines:\n%s\n", c.opts.Name, br.id, c.opts.Version, br.tail(n))
	}
	if c.keeper != nil {
		fmt.Fprintf(&b, "--- %s ZooKeeper, last lines:\n%s\n", c.opts.Name, tail(c.keeper.logFile(), n))
	}
	return b.String()
}

func (c *Cluster) logf(format string, args ...any) {
	fmt.Fprintf(c.opts.Log, c.opts.Name+": "+format+"\n", args...)
}
