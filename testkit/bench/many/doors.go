package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/cluster"
)

// doors counts the connections to each broker, and holds answers back.
type doors struct {
	rtt time.Duration

	mu         sync.Mutex
	open, peak map[string]int
}

func (d *doors) clients(ctx context.Context, s setup) (map[string]*cluster.Client, error) {
	out := map[string]*cluster.Client{}
	for name, addresses := range map[string][]string{"control": s.Target, "source": s.Source, "target": s.Target} {
		c, err := cluster.Open(ctx, name, cluster.Config{Bootstrap: addresses, Dial: d.dial})
		if err != nil {
			return out, err
		}
		out[name] = c
	}
	return out, nil
}

func (d *doors) dial(ctx context.Context, network, address string) (net.Conn, error) {
	inner, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := inner.(*net.TCPConn) // package wire looks at its socket
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is not reached over TCP: take addresses of the form host:port", address), inner.Close())
	}
	d.count(address, 1)
	return &conn{TCPConn: tcp, rtt: d.rtt, gone: sync.OnceFunc(func() { d.count(address, -1) })}, nil
}

func (d *doors) count(address string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[address] += n
	d.peak[address] = max(d.peak[address], d.open[address])
}

func (d *doors) counts() (open, peak map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.open), maps.Clone(d.peak)
}

// conn is a connection that is counted until it is closed.
type conn struct {
	*net.TCPConn
	rtt   time.Duration
	gone  func()
	asked atomic.Bool // since the last answer: a connection has one request at a time
}

// Write sends a request, or a part of one.
func (c *conn) Write(b []byte) (int, error) {
	c.asked.Store(true)
	return c.TCPConn.Write(b)
}

// Read returns the answer as late as a far broker's would arrive.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if c.asked.CompareAndSwap(true, false) && c.rtt > 0 {
		time.Sleep(c.rtt) //rules:sleep it is the distance
	}
	return n, err
}

// Close closes the connection.
func (c *conn) Close() error {
	c.gone()
	return c.TCPConn.Close()
}
