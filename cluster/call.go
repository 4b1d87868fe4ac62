package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CallOption says where a Call goes and at which version.
type CallOption func(*callOptions)

type callOptions struct {
	broker     int32
	controller bool
	group      string
	want       wire.Range
}

// AtVersion sends the request at exactly this version; a broker without it is an ErrUnsupported.
func AtVersion(v int16) CallOption { return func(o *callOptions) { o.want = wire.Exactly(v) } }

// AtMost sends the request at the highest version that the broker offers up to v.
func AtMost(v int16) CallOption { return func(o *callOptions) { o.want = wire.Up(v) } }

// OnBroker sends the request to the broker with this id.
func OnBroker(id int32) CallOption { return func(o *callOptions) { o.broker = id } }

// OnController sends the request to the controller (in KRaft clusters to a broker that forwards to it).
func OnController() CallOption { return func(o *callOptions) { o.controller = true } }

// OnGroup sends the request to the group's coordinator, which is looked up and remembered; while it loads or moves
// (14, 15, 16) the request is repeated until RequestTimeout has passed.
func OnGroup(group string) CallOption { return func(o *callOptions) { o.group = group } }

// newest caps APIs whose later versions put topic ids where the names were, or are for brokers only: a request filled
// in with names would be misunderstood. AtVersion and AtMost override it.
var newest = map[kmsg.Key]int16{
	kmsg.Produce:            12, // 13 has topic ids (KIP-516)
	kmsg.Fetch:              12, // 13 has topic ids
	kmsg.OffsetCommit:       9,  // 10 has topic ids
	kmsg.OffsetFetch:        9,  // 10 has topic ids
	kmsg.AddPartitionsToTxn: 3,  // 4 is a broker's batch
}

// Call sends a request and returns its response. It goes to any broker, at the highest version that the broker and kmsg
// have in common (but see newest), unless options say otherwise. Call sets the version of req, so one request must not
// be used by two calls at a time. The error codes inside the response are the caller's to look at.
func (c *Client) Call(ctx context.Context, req kmsg.Request, opts ...CallOption) (kmsg.Response, error) {
	o := callOptions{broker: -1, want: wire.AnyVersion()}
	if v, ok := newest[kmsg.Key(req.Key())]; ok {
		o.want = wire.Up(v)
	}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case o.group != "":
		return c.callCoordinator(ctx, o.group, req, o.want)
	case o.controller:
		id, err := c.controller(ctx)
		if err != nil {
			return nil, err
		}
		return c.send(ctx, id, req, o.want)
	}
	return c.send(ctx, o.broker, req, o.want)
}

// Do is Call with the response's type, for example Do[*kmsg.MetadataResponse].
func Do[R kmsg.Response](ctx context.Context, c *Client, req kmsg.Request, opts ...CallOption) (R, error) {
	var zero R
	resp, err := c.Call(ctx, req, opts...)
	if err != nil {
		return zero, err
	}
	typed, ok := resp.(R)
	if !ok {
		return zero, fmt.Errorf("response to %s is a %T, the caller expects a %T", kmsg.NameForKey(req.Key()), resp, zero)
	}
	return typed, nil
}

// Versions returns the APIs that a broker (−1: any) offers and their versions, by API key.
func (c *Client) Versions(ctx context.Context, broker int32) (map[int16]wire.Range, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	offers, err := c.wire.Versions(ctx, broker)
	return offers, c.wrap(err, failure{api: "ApiVersions", broker: broker})
}

// send is one request to one broker, with its deadline; a read is sent once more if the connection breaks.
func (c *Client) send(ctx context.Context, broker int32, req kmsg.Request, want wire.Range) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout+patience(req))
	defer cancel()
	resp, err := c.observed(ctx, broker, req, want)
	if broken(err) && !timedOut(err) && ctx.Err() == nil && readOnly[kmsg.Key(req.Key())] {
		resp, err = c.observed(ctx, broker, req, want)
	}
	return resp, c.wrap(err, failure{api: kmsg.NameForKey(req.Key()), broker: broker})
}

func (c *Client) observed(ctx context.Context, broker int32, req kmsg.Request, want wire.Range) (kmsg.Response, error) {
	start := time.Now()
	resp, err := c.wire.Any(ctx, broker, req, want)
	c.report(kmsg.NameForKey(req.Key()), broker, start, err)
	return resp, err
}

func (c *Client) report(api string, broker int32, start time.Time, err error) {
	took := time.Since(start)
	if c.cfg.Hooks.Call != nil {
		c.cfg.Hooks.Call(CallInfo{Cluster: c.name, API: api, Broker: broker, Took: took, Err: err})
	}
	if err != nil {
		c.cfg.Log.Debug().Err(err).Str("cluster", c.name).Str("api", api).Int32("broker", broker).Dur("took", took).Msg("call failed")
	}
}

// patience is how long the request itself lets the broker wait before it answers.
func patience(req kmsg.Request) time.Duration {
	var ms int32
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest: // a join answers when the whole group has joined
		ms = max(r.RebalanceTimeoutMillis, r.SessionTimeoutMillis)
	case *kmsg.FetchRequest:
		ms = r.MaxWaitMillis
	case *kmsg.ProduceRequest:
		ms = r.TimeoutMillis
	case *kmsg.CreateTopicsRequest:
		ms = r.TimeoutMillis
	case *kmsg.DeleteTopicsRequest:
		ms = r.TimeoutMillis
	case *kmsg.DeleteRecordsRequest:
		ms = r.TimeoutMillis
	}
	return time.Duration(max(ms, 0)) * time.Millisecond
}

// readOnly lists the APIs that may be sent twice without anyone noticing.
var readOnly = map[kmsg.Key]bool{
	kmsg.ListOffsets: true, kmsg.Metadata: true, kmsg.OffsetFetch: true, kmsg.FindCoordinator: true, kmsg.Heartbeat: true,
	kmsg.DescribeGroups: true, kmsg.ListGroups: true, kmsg.ApiVersions: true, kmsg.OffsetForLeaderEpoch: true,
	kmsg.DescribeACLs: true, kmsg.DescribeConfigs: true, kmsg.DescribeLogDirs: true, kmsg.ListPartitionReassignments: true,
	kmsg.DescribeClientQuotas: true, kmsg.DescribeUserSCRAMCredentials: true, kmsg.DescribeQuorum: true,
	kmsg.DescribeCluster: true, kmsg.DescribeProducers: true, kmsg.DescribeTransactions: true, kmsg.ListTransactions: true,
	kmsg.ConsumerGroupDescribe: true, kmsg.DescribeTopicPartitions: true,
}

// broken says that the request was lost on the way, as opposed to refused.
func broken(err error) bool {
	var ex *wire.ExchangeError
	return errors.As(err, &ex)
}

// pause waits between two attempts: 10, 20, 40 … up to 250 ms. It returns false when ctx ends.
func pause(ctx context.Context, attempt int) bool {
	d := min(10*time.Millisecond<<min(attempt, 10), 250*time.Millisecond)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// settle repeats f while it fails with a code that passes by itself (a partition just created, a leader that moves), for
// at most Config.Settle.
func (c *Client) settle(ctx context.Context, f func() error) error {
	end := time.Now().Add(c.cfg.Settle)
	for attempt := 0; ; attempt++ {
		err := f()
		if err == nil || !passing(err) || time.Now().After(end) || !pause(ctx, attempt) {
			return err
		}
	}
}
