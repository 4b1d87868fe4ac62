package wire

import (
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const apiVersionsKey = 18

// Range is a span of versions of one API, both ends included.
type Range struct{ Min, Max int16 }

// Up limits a call to versions up to max.
func Up(max int16) Range { return Range{0, max} }

// Exactly limits a call to one version.
func Exactly(v int16) Range { return Range{v, v} }

// AnyVersion sets no limit.
func AnyVersion() Range { return Range{0, 1<<15 - 1} }

// peer is the broker at the other end of one connection. A connection serves one exchange at a time, always on the
// same goroutine of the pool, so nothing here needs a lock. It is a net.Addr: see socket.
type peer struct {
	address string          // as dialled
	tcp     net.Conn        // beneath TLS
	used    bool            // an exchange has run on the connection
	last    int32           // last correlation id
	offers  map[int16]Range // by API key, as the broker said when the connection began
	expires time.Time       // when the login ends; zero: never
}

// Network is net.Addr.
func (p *peer) Network() string { return "tcp" }

// String is net.Addr.
func (p *peer) String() string { return p.address }

// expired says whether the broker would close the connection instead of answering.
func (p *peer) expired(now time.Time) bool { return !p.expires.IsZero() && now.After(p.expires) }

func (p *peer) correlation() int32 {
	p.last++
	return p.last
}

// choose returns the highest version in all three ranges: the broker's, the codec's (0…codec) and the caller's.
func choose(api int16, offers map[int16]Range, codec int16, want Range) (int16, error) {
	broker, ok := offers[api]
	high := min(want.Max, codec, broker.Max)
	if !ok || high < max(want.Min, broker.Min) {
		return 0, &VersionError{API: api, Offered: ok, Broker: broker, Wanted: Range{want.Min, min(want.Max, codec)}}
	}
	return high, nil
}

// VersionError says that a broker does not offer an API, or no version of it that the caller can use. Nothing was sent.
type VersionError struct {
	API     int16
	Offered bool  // the broker has the API at other versions
	Broker  Range // what the broker offers
	Wanted  Range // what the caller can use
}

// Error says which versions there are and which are needed.
func (e *VersionError) Error() string {
	if !e.Offered {
		return fmt.Sprintf("the broker does not offer the API %s", kmsg.NameForKey(e.API))
	}
	return fmt.Sprintf("the broker offers %s in versions %d to %d, needed is one of %d to %d",
		kmsg.NameForKey(e.API), e.Broker.Min, e.Broker.Max, e.Wanted.Min, e.Wanted.Max)
}
