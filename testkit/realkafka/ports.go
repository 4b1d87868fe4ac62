package realkafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that Linux hands to outgoing connections (32768 and up): a port of that range could
// be taken by any client while its broker is being restarted.
const (
	firstPort = 20000
	lastPort  = 32000
)

// errNoPort says that no free port was found.
var errNoPort = errors.New("realkafka: no free port")

// brokerPorts are the ports of one broker.
type brokerPorts struct {
	controller int            // of the first broker: of ZooKeeper, where there is one
	listeners  map[string]int // by listener name
}

// addresses are the bootstrap servers of one listener.
func addresses(ports []brokerPorts, listener string) (all []string) {
	for _, p := range ports {
		if port, ok := p.listeners[listener]; ok {
			all = append(all, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}
	}
	return all
}

// takePorts finds free ports for all brokers. They are free only at this moment: a broker that finds its port taken fails,
// and Start tries again with others.
func takePorts(brokers int, listeners []string) ([]brokerPorts, error) {
	free, err := freePorts(brokers * (1 + len(listeners)))
	if err != nil {
		return nil, err
	}
	var all []brokerPorts
	for range brokers {
		p := brokerPorts{controller: free[0], listeners: map[string]int{}}
		free = free[1:]
		for _, name := range listeners {
			p.listeners[name] = free[0]
			free = free[1:]
		}
		all = append(all, p)
	}
	return all, nil
}

// freePorts finds n ports on loopback that nobody listens on, starting at a random place so that processes that look at the
// same time rarely find the same.
func freePorts(n int) (free []int, err error) {
	span := lastPort - firstPort
	start := rand.IntN(span)
	for i := 0; i < span && len(free) < n; i++ {
		port := firstPort + (start+i)%span
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = l.Close()
		free = append(free, port)
	}
	if len(free) < n {
		return nil, fmt.Errorf("%w: %d of %d found between %d and %d", errNoPort, len(free), n, firstPort, lastPort)
	}
	return free, nil
}
