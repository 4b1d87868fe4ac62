package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// order is a request to be made: of which API, on which broker (−1: any), and what to do with the connection.
type order struct {
	api    int16
	broker int32
	body   func(*line) (protocol.Message, error)
}

// exchange is one attempt at an order. It is the only message type that travels through kafka-go: it asks for the raw
// connection and runs body on it.
type exchange struct {
	order
	ctx context.Context

	mu      sync.Mutex
	address string        // of the broker that was chosen, for messages
	version int16         // what kafka-go negotiated for api
	offered bool          // the broker offers api
	started bool          // RawExchange runs or has run
	over    bool          // the caller has gone: RawExchange must not run
	done    chan struct{} // closed when RawExchange has returned
}

// line is a connection lent to one exchange.
type line struct {
	io.ReadWriter
	*peer
	version int16 // kafka-go's choice for the API of the exchange, within kafka-go's own range
	offered bool
}

// reply carries a result back through kafka-go: a value, or an error that leaves the connection usable.
type reply struct {
	api   int16
	value any
	err   error
}

// ApiKey is protocol.Message.
func (r *reply) ApiKey() protocol.ApiKey { return protocol.ApiKey(r.api) }

// ApiKey is protocol.Message.
func (x *exchange) ApiKey() protocol.ApiKey { return protocol.ApiKey(x.api) }

// Broker is protocol.BrokerMessage: it routes the message.
func (x *exchange) Broker(layout protocol.Cluster) (protocol.Broker, error) {
	if x.broker < 0 {
		return protocol.Broker{ID: -1}, nil
	}
	b, ok := layout.Brokers[x.broker]
	if !ok {
		return protocol.Broker{ID: -1}, fmt.Errorf("broker %d: %w", x.broker, ErrUnknownBroker)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.address = b.String()
	return b, nil
}

// Required is protocol.RawExchanger: it learns the negotiated versions and always asks for the raw connection.
func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.version, x.offered = versions[protocol.ApiKey(x.api)]
	return true
}

// RawExchange is protocol.RawExchanger. An error makes kafka-go close the connection, which is right: an answer may
// still be on its way.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	l, err := x.begin(rw)
	if err != nil {
		return nil, err
	}
	defer close(x.done)
	stop := context.AfterFunc(x.ctx, func() { l.interrupt() })
	m, err := x.body(l)
	if !stop() { // the deadline was or will be moved into the past: the connection cannot be used again
		return nil, context.Cause(x.ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return nil, &ExchangeError{Address: l.address, Err: err}
	}
	return m, nil
}

func (x *exchange) begin(rw io.ReadWriter) (*line, error) {
	conn, ok := rw.(net.Conn)
	if !ok {
		return nil, fmt.Errorf("connection is a %T, not a net.Conn", rw)
	}
	p, ok := conn.RemoteAddr().(*peer)
	if !ok {
		return nil, fmt.Errorf("connection to %v was not opened by this transport", conn.RemoteAddr())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return nil, context.Canceled
	}
	x.address = p.address
	if p.used && (dead(p.tcp) || p.expired(time.Now())) {
		return nil, errStale
	}
	p.used, x.started = true, true
	return &line{ReadWriter: rw, peer: p, version: x.version, offered: x.offered}, nil
}

func (l *line) interrupt() {
	_ = l.ReadWriter.(net.Conn).SetDeadline(time.Unix(1, 0))
}

// leave is called when the caller stops waiting; it returns once nothing touches the caller's memory any more.
func (x *exchange) leave() {
	x.mu.Lock()
	x.over = true
	started := x.started
	x.mu.Unlock()
	if started {
		<-x.done
	}
}

// errStale says that the broker had closed a pooled connection, or would close it because its login has expired, before
// anything was sent on it.
var errStale = errors.New("the pooled connection is of no more use")

// run carries out o: on another connection if the first ones were dead, and once more after a refresh if the chosen
// broker was not known yet. Nothing was sent in either case.
func (t *Transport) run(ctx context.Context, o order) (any, error) {
	refreshed := false
	for {
		value, err := t.attempt(ctx, o)
		switch {
		case errors.Is(err, errStale): // the pool has dropped it: at most as often as it has connections
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		case errors.Is(err, ErrUnknownBroker) && !refreshed:
			refreshed = true
			if err := t.RefreshBrokers(ctx); err != nil {
				return nil, err
			}
		default:
			return value, err
		}
	}
}

func (t *Transport) attempt(ctx context.Context, o order) (any, error) {
	if t.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &exchange{order: o, ctx: ctx, done: make(chan struct{})}
	m, err := t.kafka.RoundTrip(ctx, seed{}, x)
	if err != nil {
		agree(ctx, err)
		cancel()
		x.leave()
		return nil, x.explain(err)
	}
	if r, ok := m.(*reply); ok {
		return r.value, r.err
	}
	return nil, nil
}

// agree waits for the deadline of ctx if err says that it has passed: a socket's timer may fire a moment before the
// context's, and callers that look at both shall find them agreed.
func agree(ctx context.Context, err error) {
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	if d, ok := ctx.Deadline(); ok && late && time.Until(d) < 10*time.Millisecond {
		<-ctx.Done()
	}
}

// explain adds the broker's address to an error that does not carry one.
func (x *exchange) explain(err error) error {
	var dial *DialError
	var ex *ExchangeError
	if x.address == "" || errors.As(err, &dial) || errors.As(err, &ex) {
		return err
	}
	return &ExchangeError{Address: x.address, Err: err}
}

// RefreshBrokers makes the pool ask for the list of brokers now and waits for the answer.
func (t *Transport) RefreshBrokers(ctx context.Context) error {
	// kafka-go looks at its metadata again after it has seen a CreateTopics response; that is the only way to ask for
	// it. No request is sent for this one.
	_, err := t.run(ctx, order{api: apiVersionsKey, broker: -1, body: func(*line) (protocol.Message, error) {
		return &createtopics.Response{}, nil
	}})
	return err
}

// ExchangeError says that a request failed on the way: whether the broker acted on it is not known.
type ExchangeError struct {
	Address string // host:port of the broker
	Err     error
}

// Error is error.
func (e *ExchangeError) Error() string { return fmt.Sprintf("%s: %v", e.Address, e.Err) }

// Unwrap returns the cause.
func (e *ExchangeError) Unwrap() error { return e.Err }
