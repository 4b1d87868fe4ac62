package events

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkDecode: events/s of one processor is 1e9 by ns/op.
func BenchmarkDecode(b *testing.B) {
	offsets := make([]TopicOffset, 8)
	for i := range offsets {
		offsets[i] = TopicOffset{Topic: "orders", Partition: int32(i), Offset: 123456}
	}
	for _, body := range []Body{StartRequested{}, CopySynced{Ends: []PartitionOffset{{0, 12345}, {1, 3456}}}, Drained{Incarnation: "billing-7", Member: "m-1", Committed: offsets}} {
		b.Run(fmt.Sprint(body.EventType()), func(b *testing.B) {
			key, value := encoded(b, sample(b, body))
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				_, _, refused := Decode(key, value)
				require.Nil(b, refused)
			}
		})
	}
}
