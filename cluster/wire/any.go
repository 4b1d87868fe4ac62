package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Any sends req to a broker (−1: any) at the highest version within want that the broker and kmsg know. It sets the
// version of req. Error codes inside the response are the caller's to read.
func (t *Transport) Any(ctx context.Context, broker int32, req kmsg.Request, want Range) (kmsg.Response, error) {
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return nil, errNoAcks
	}
	o := order{api: req.Key(), broker: broker, body: func(l *line) (protocol.Message, error) {
		v, err := choose(req.Key(), l.peer.offers, req.MaxVersion(), want)
		if err != nil {
			return &reply{api: req.Key(), err: err}, nil //nolint:nilerr // the reply carries it: an error here would close the connection
		}
		req.SetVersion(v)
		resp, err := call(l, t.cfg.ClientID, req)
		return &reply{api: req.Key(), value: resp}, err
	}}
	value, err := t.run(ctx, o)
	if err != nil {
		return nil, err
	}
	return value.(kmsg.Response), nil
}

// Versions returns the APIs that a broker (−1: any) offers, by key.
func (t *Transport) Versions(ctx context.Context, broker int32) (map[int16]Range, error) {
	value, err := t.run(ctx, order{api: apiVersionsKey, broker: broker, body: func(l *line) (protocol.Message, error) {
		return &reply{api: apiVersionsKey, value: maps.Clone(l.peer.offers)}, nil
	}})
	if err != nil {
		return nil, err
	}
	return value.(map[int16]Range), nil
}

// call writes one request and reads its response.
func call(l *line, clientID string, req kmsg.Request) (kmsg.Response, error) {
	id := l.peer.correlation()
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := l.Write(f.AppendRequest(nil, req, id)); err != nil {
		return nil, err
	}
	body, err := readFrame(l, id, nil)
	if err != nil {
		return nil, err
	}
	return decode(req.ResponseKind(), body)
}

// decode parses the body of a response. The header of a flexible response carries tagged fields, except that of
// ApiVersions, which never does (KIP-511).
func decode(resp kmsg.Response, body []byte) (kmsg.Response, error) {
	if resp.IsFlexible() && resp.Key() != apiVersionsKey {
		rest, err := skipTags(body)
		if err != nil {
			return nil, fmt.Errorf("read header of the response: %w", err)
		}
		body = rest
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read %s response version %d: %w", kmsg.NameForKey(resp.Key()), resp.GetVersion(), err)
	}
	return resp, nil
}

var errTags = errors.New("malformed tagged fields")

// skipTags returns what follows a list of tagged fields (KIP-482).
func skipTags(b []byte) ([]byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errTags
	}
	b = b[n:]
	for ; count > 0; count-- {
		_, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errTags
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errTags
		}
		b = b[n+int(size):]
	}
	return b, nil
}
