package realkafka

import (
	"context"
	"fmt"
	"os"
)

// broker finds a broker by its id.
func (c *Cluster) broker(id int) (*broker, error) {
	if id < 1 || id > len(c.brokers) {
		return nil, fmt.Errorf("realkafka: %s has no broker %d: ids are 1 to %d", c.opts.Name, id, len(c.brokers))
	}
	return c.brokers[id-1], nil
}

// Kill sends a signal to a broker (os.Kill: as in a crash; syscall.SIGTERM: an orderly shutdown) and waits until it is gone.
// Its data stay. A broker that is not gone after a minute is killed, which is an error.
func (c *Cluster) Kill(id int, sig os.Signal) error {
	b, err := c.broker(id)
	if err != nil {
		return err
	}
	c.logf("broker %d: %v", id, sig)
	return b.kill(sig)
}

// Restart starts a broker on the data that it left, stopping it in order first if it still runs, and returns when it
// answers and is in the cluster again. After os.Kill that takes 9 s longer: the controller lets it back in only when its former
// session has ended (broker.session.timeout.ms; with ZooKeeper 6 s).
func (c *Cluster) Restart(ctx context.Context, id int) error {
	b, err := c.broker(id)
	if err != nil {
		return err
	}
	if err := b.kill(terminate()); err != nil {
		return err
	}
	if c.keeper != nil {
		if err := c.keeper.forget(ctx, id); err != nil {
			return err
		}
	}
	if err := b.launch(); err != nil {
		return err
	}
	return c.waitReady(ctx, b)
}

// Pause freezes a broker: its connections stay open and nothing answers (Linux only).
func (c *Cluster) Pause(id int) error { return c.signal(id, pause) }

// Resume lets a paused broker go on.
func (c *Cluster) Resume(id int) error { return c.signal(id, resume) }

func (c *Cluster) signal(id int, send func(*os.Process) error) error {
	b, err := c.broker(id)
	if err != nil {
		return err
	}
	return b.signal(send)
}

// brokerDir is the folder of a broker inside that of its cluster.
func brokerDir(id int) string { return fmt.Sprintf("broker-%d", id) }
