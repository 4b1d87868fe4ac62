package replicator

import (
	"context"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
)

func validConfig() Config {
	return Config{
		Control: &cluster.Client{}, Name: "w",
		Clusters: func(context.Context, string) (*cluster.Client, error) { return nil, nil },
	}
}

func TestConfigHasDefaults(t *testing.T) {
	c := validConfig()
	require.NoError(t, c.Validate())
	require.Equal(t, "portage-workers", c.Group)
	require.Equal(t, 100*time.Millisecond, c.PublishEvery)
	require.Equal(t, 6*time.Second, c.Session)
	require.Equal(t, 1000, c.BlockRuns)
	require.Len(t, c.Nonce(), 16)
	require.NotEqual(t, c.Nonce(), c.Nonce())
	l := c.limits()
	require.Equal(t, limits{owner: "w", buffer: 4 << 20, mergeBelow: 4 << 10, mergeUpTo: 64 << 10, alignAtOnce: alignAtOnce, blockRuns: 1000, publishEvery: 100 * time.Millisecond}, l)
}

func TestConfigIsRefusedByName(t *testing.T) {
	for want, edit := range map[string]func(*Config){
		"Control is nil":  func(c *Config) { c.Control = nil },
		"Clusters is nil": func(c *Config) { c.Clusters = nil },
		"Name is empty":   func(c *Config) { c.Name = "" },
		"Session is -1ns": func(c *Config) { c.Session = -1 },
		"Streams is -2":   func(c *Config) { c.Streams = -2 },
		"MergeUpTo is 10, below MergeBelow of 20": func(c *Config) { c.MergeUpTo, c.MergeBelow = 10, 20 },
	} {
		c := validConfig()
		edit(&c)
		_, err := New(c)
		require.ErrorContains(t, err, "replicator configuration: ")
		require.ErrorContains(t, err, want)
	}
}
