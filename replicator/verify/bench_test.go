package verify

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

// BenchmarkRange is what comparing costs beyond reading: batches of 100 records of
// 1 KB that are compared as bytes, or decoded.
func BenchmarkRange(b *testing.B) {
	const n, per = 10_000, 100
	rs := contents(n)
	for i := range rs {
		rs[i].Value = bytes.Repeat([]byte(fmt.Sprint(i, " ")), 1000)[:1000]
	}
	for _, codec := range []batch.Codec{batch.None, batch.LZ4, batch.Zstd} {
		var all []raw
		for i := 0; i < n; i += per {
			x := one(b, build(b, codec, rs[i:i+per]))
			x.FirstOffset = int64(i)
			all = append(all, x)
		}
		for _, deep := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/deep=%v", codec, deep), func(b *testing.B) {
				b.SetBytes(n * 1000)
				b.ReportAllocs()
				for b.Loop() {
					benchmarkRange(b, all, deep)
				}
			})
		}
	}
}

func benchmarkRange(b *testing.B, all []raw, deep bool) {
	cfg := Config{Deep: deep, Key: make([]byte, keyBytes)}
	require.NoError(b, cfg.Validate())
	var res Result
	c := &comparison{Config: &cfg, judge: newJudge(&Request{}), hash: newHasher(cfg.Key), res: &res, tally: newTally(&res, &cfg)}
	end := all[len(all)-1].next()
	c.open = func(context.Context, int, int64, int64) (tape, error) {
		return &cursor{pager: pager{until: end}, next: end, page: all, batches: all}, nil
	}
	c.advanced = func(bool) error { return nil }
	c.bounds = [2]int64{end, end}
	require.NoError(b, c.run(context.Background()))
	res.conclude(nil)
	require.Equal(b, Identical, res.Verdict)
}
