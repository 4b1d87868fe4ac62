package e2e

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// metric is the sum of a metric of a process over all labels; 0 while the process does not answer.
func (w worker) metric(name string) float64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.metrics+"/metrics", nil)
	require.NoError(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		text := lines.Text()
		if !strings.HasPrefix(text, name+"{") && !strings.HasPrefix(text, name+" ") {
			continue
		}
		value, err := strconv.ParseFloat(text[strings.LastIndexByte(text, ' ')+1:], 64)
		require.NoError(w.t, err, text)
		sum += value
	}
	return sum
}

// copied is how many bytes a worker has copied.
func (w worker) copied() float64 { return w.metric("portage_copy_produced_bytes_total") }

// size is how many bytes topics take on a cluster.
func (b *bench) size(cluster string, topics ...string) (sum float64) {
	b.t.Helper()
	dirs, err := b.admin(cluster).DescribeAllLogDirs(b.t.Context(), nil)
	require.NoError(b.t, err)
	for _, broker := range dirs {
		for _, dir := range broker {
			for _, t := range topics {
				for _, p := range dir.Topics[t] {
					sum += float64(p.Size)
				}
			}
		}
	}
	return sum
}
