package realkafka

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The settings of ZooKeeper and of its broker name the same port, on loopback, and the word that forget asks with is allowed.
func TestKeeperOnPaper(t *testing.T) {
	c := paper(t, Options{Version: Oldest, Brokers: 3})
	raw, err := os.ReadFile(filepath.Join(c.Dir(), "zookeeper", "zoo.cfg"))
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(c.keeper.address())
	require.NoError(t, err)
	for _, line := range []string{"clientPort=" + port, "clientPortAddress=127.0.0.1", "4lw.commands.whitelist=dump", "tickTime=500"} {
		require.Contains(t, strings.Split(string(raw), "\n"), line)
	}
	broker, err := os.ReadFile(filepath.Join(c.Dir(), "broker-3", "server.properties"))
	require.NoError(t, err)
	require.Contains(t, string(broker), "zookeeper.connect="+c.keeper.address()+"\n")
	require.NoError(t, c.keeper.kill(), "what never ran is no error")
	require.Contains(t, c.Tail(3), "ZooKeeper, last lines")
	require.Nil(t, paper(t, Options{}).keeper, "later versions have none")
}

// Keys stand in the settings themselves, whole, where the version would not read them from a file.
func TestKeysOfOldBrokersAreInline(t *testing.T) {
	c := paper(t, everyWay(Oldest))
	pem, err := os.ReadFile(filepath.Join(c.Dir(), brokerPEM))
	require.NoError(t, err)
	props := properties(c.opts, c.dir, 1, c.ports)
	require.NoError(t, inlineKeys(c.opts, props))
	const prefix = "listener.name.mtls.ssl.keystore."
	require.NotContains(t, props, prefix+"location")
	require.Equal(t, string(pem), props[prefix+"key"]+props[prefix+"certificate.chain"])
	require.True(t, strings.HasPrefix(props[prefix+"certificate.chain"], "-----BEGIN CERTIFICATE-----\n"))
	require.NotContains(t, props, "listener.name.plain.ssl.keystore.key")

	later := properties(everyWay(Target), c.dir, 1, twoPorts(everyWay(Target)))
	require.NoError(t, inlineKeys(everyWay(Target), later))
	require.Contains(t, later, prefix+"location")
	props[prefix+"location"] = filepath.Join(c.Dir(), "none")
	require.ErrorIs(t, inlineKeys(c.opts, props), os.ErrNotExist)
}

// answers plays ZooKeeper: it gives one answer after the other, the last one for ever.
func answers(t *testing.T, all ...string) *keeper {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			word := make([]byte, 4)
			_, _ = conn.Read(word)
			if string(word) == "dump" {
				_, _ = conn.Write([]byte(all[0]))
			}
			_ = conn.Close()
			if len(all) > 1 {
				all = all[1:]
			}
		}
	}()
	return &keeper{port: l.Addr().(*net.TCPAddr).Port}
}

// A restart goes on only when the broker's own session is gone: one of broker 12 is not that of broker 1.
func TestKeeperForgets(t *testing.T) {
	const held, other = "Sessions:\n\t/brokers/ids/1\n\t/brokers/ids/12\n", "Sessions:\n\t/brokers/ids/12"
	require.NoError(t, answers(t, held, held, other).forget(within(t, 20*time.Second), 1))
	short, cancel := context.WithTimeout(context.Background(), 3*pollEvery)
	defer cancel()
	require.ErrorIs(t, answers(t, other).forget(short, 12), context.DeadlineExceeded)
	gone := &keeper{port: 1}
	short, cancel = context.WithTimeout(context.Background(), 3*pollEvery)
	defer cancel()
	require.ErrorContains(t, gone.forget(short, 1), "forgets broker 1", "a ZooKeeper that does not answer has not said so")
}
