package realkafka

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keeper is the ZooKeeper of a cluster of a version that needs one.
type keeper struct {
	dir   string
	port  int
	child *process // nil before the launch
}

// Sessions of brokers with ZooKeeper end this long after a crash, and a broker that starts before that finds itself there
// already and gives up. A third of the default; ticks are what sessions are counted in.
const (
	keeperSession = 6 * time.Second
	keeperTick    = 500 * time.Millisecond
	keeperHeapMB  = 128
)

// newKeeper makes folder and settings; nothing runs yet. Its port is that which the first broker would have as a controller.
func newKeeper(dir string, port int) (*keeper, error) {
	k := &keeper{dir: filepath.Join(dir, "zookeeper"), port: port}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return nil, err
	}
	return k, os.WriteFile(k.settings(), []byte(render(map[string]string{
		"dataDir":                k.dir,
		"clientPortAddress":      "127.0.0.1",
		"clientPort":             strconv.Itoa(port),
		"tickTime":               strconv.FormatInt(keeperTick.Milliseconds(), 10),
		"maxClientCnxns":         "0",
		"admin.enableServer":     "false",
		"4lw.commands.whitelist": "dump",
	})), 0o644)
}

func (k *keeper) settings() string { return filepath.Join(k.dir, "zoo.cfg") }

func (k *keeper) logFile() string { return filepath.Join(k.dir, "out.log") }

func (k *keeper) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(k.port)) }

// launch starts it and does not wait: brokers try again until it answers.
func (k *keeper) launch(libs string) (err error) {
	args := javaArgs(libs, keeperHeapMB, nil, "org.apache.zookeeper.server.quorum.QuorumPeerMain", k.settings())
	if k.child, err = launch(exec.Command("java", args...), k.logFile()); err != nil {
		return fmt.Errorf("ZooKeeper: %w", err)
	}
	return nil
}

func (k *keeper) kill() error {
	if k.child == nil {
		return nil
	}
	return k.child.end(os.Kill, patience)
}

// forget waits until the session of a broker that crashed has ended.
func (k *keeper) forget(ctx context.Context, id int) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		dump, err := k.dump()
		if err == nil && !strings.Contains(dump+"\n", fmt.Sprintf("/brokers/ids/%d\n", id)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until ZooKeeper forgets broker %d: %w (last: %w)", id, ctx.Err(), err)
		}
	}
}

// dump lists sessions and what they hold: one of ZooKeeper's four-letter words.
func (k *keeper) dump() (string, error) {
	conn, err := net.DialTimeout("tcp", k.address(), askWithin)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askWithin)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "dump"); err != nil {
		return "", err
	}
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

// addUsers gives the users their SCRAM passwords before the first broker starts, as formatting does without ZooKeeper.
func (k *keeper) addUsers(ctx context.Context, libs string, o Options) error {
	for _, u := range o.Users {
		credentials := scramCredentials(o, u)
		if credentials == "" {
			continue
		}
		args := javaArgs(libs, keeperHeapMB, nil, "kafka.admin.ConfigCommand", "--zookeeper", k.address(),
			"--alter", "--entity-type", "users", "--entity-name", u.Name, "--add-config", credentials)
		if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("add SCRAM user %s: %w\n%s", u.Name, err, lastLines(out, 20))
		}
	}
	return nil
}

// zooShape is what makes brokers one cluster with the help of ZooKeeper.
func zooShape(id int, ports []brokerPorts) map[string]string {
	return map[string]string{
		"broker.id":                       strconv.Itoa(id),
		"zookeeper.connect":               net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0].controller)),
		"zookeeper.session.timeout.ms":    strconv.FormatInt(keeperSession.Milliseconds(), 10),
		"zookeeper.connection.timeout.ms": strconv.FormatInt(patience.Milliseconds(), 10),
	}
}

// learnID asks for the id that the first broker gave a cluster with ZooKeeper.
func (c *Cluster) learnID(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap(Internal)...))
	if err != nil {
		return err
	}
	defer client.Close()
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("ask for the cluster id: %w", err)
	}
	if meta.ClusterID != nil {
		c.id = *meta.ClusterID
	}
	return nil
}
