package events_test

import (
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
)

// A record is written under a key of its own and read back by anyone; what is
// wrong with it is said, not panicked.
func ExampleDecode() {
	e, _ := events.New("01JH0000000000000000000000", "orders-eu", events.MigrationStream,
		events.Actor{Kind: events.Operator, Name: "ann"}, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), events.PauseRequested{Reason: "night"})
	version := uint64(4)
	e.Expects = &version
	value, _ := events.Encode(e)
	key := e.Key("9f3a41c2").String() // a nonce per send
	fmt.Println(key)

	_, body, refused := events.Decode([]byte(key), value)
	fmt.Println(body, refused)

	_, _, refused = events.Decode([]byte("orders-us/migration/01JH0000000000000000000000/9f3a41c2"), value)
	fmt.Println(refused.Code, refused.Foreign)
	// Output:
	// orders-eu/migration/01JH0000000000000000000000/9f3a41c2
	// {night} <nil>
	// key-mismatch true
}
