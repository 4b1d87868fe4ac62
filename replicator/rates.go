package replicator

import (
	"math"
	"strings"
	"time"
)

// A worker tells the group's leader how many bytes per second it copies of each
// of its partitions, in the stamp of its offer: one character for each of the
// units that it says to own, in their order, after the last space. The characters
// stand for powers of the square root of two.

// rateDigits are the characters: nothing, then from 1 byte to 1.4 GB per second.
const rateDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encodeRates makes the end of a stamp.
func encodeRates(rates []float64) string {
	var b strings.Builder
	b.WriteByte(' ')
	for _, r := range rates {
		n := 0
		if r >= 1 {
			n = 1 + int(math.Round(2*math.Log2(r)))
		}
		b.WriteByte(rateDigits[min(n, len(rateDigits)-1)])
	}
	return b.String()
}

// decodeRates reads a stamp for a number of units; it returns false for one that
// does not speak of so many.
func decodeRates(stamp string, units int) ([]float64, bool) {
	text := stamp[strings.LastIndexByte(stamp, ' ')+1:]
	if len(text) != units || len(text) == len(stamp) {
		return nil, false
	}
	rates := make([]float64, units)
	for i := range units {
		n := strings.IndexByte(rateDigits, text[i])
		if n < 0 {
			return nil, false
		}
		if n > 0 {
			rates[i] = math.Exp2(float64(n-1) / 2)
		}
	}
	return rates, true
}

// ratePeriod is how long a rate takes to follow a change, about.
const ratePeriod = 30 * time.Second

// meter measures bytes per second.
type meter struct {
	rate  float64
	bytes int64
	at    time.Duration
}

// measure takes the number of bytes so far at a time.
func (m *meter) measure(bytes int64, at time.Duration) {
	passed := at - m.at
	if passed <= 0 {
		return
	}
	if bytes < m.bytes { // counted from 0 again
		m.bytes = bytes
	}
	fresh := float64(bytes-m.bytes) / passed.Seconds()
	part := 1 - math.Exp(-passed.Seconds()/ratePeriod.Seconds())
	m.rate += part * (fresh - m.rate)
	m.bytes, m.at = bytes, at
}
