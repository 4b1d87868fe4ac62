package realkafka

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// properties are the settings of one broker: what the cluster's shape demands, then what makes tests quick, then what the
// options ask for.
func properties(o Options, dir string, id int, ports []brokerPorts) map[string]string {
	all := shape(o, filepath.Join(dir, brokerDir(id), "data"), id, ports)
	maps.Copy(all, quick(o))
	maps.Copy(all, secure(o, dir))
	maps.Copy(all, o.Properties)
	return all
}

// shape is what makes these brokers one cluster.
func shape(o Options, data string, id int, ports []brokerPorts) map[string]string {
	mine := ports[id-1]
	protocols := []string{Internal + ":PLAINTEXT"}
	for _, l := range o.Listeners {
		protocols = append(protocols, l.Name+":"+l.protocol())
	}
	var advertised []string
	for _, name := range o.listenerNames() {
		advertised = append(advertised, fmt.Sprintf("%s://127.0.0.1:%d", name, mine.listeners[name]))
	}
	clients := strings.Join(advertised, ",")
	all := map[string]string{
		"inter.broker.listener.name":     Internal,
		"listeners":                      clients,
		"advertised.listeners":           clients,
		"listener.security.protocol.map": strings.Join(protocols, ","),
		"log.dirs":                       data,
	}
	if keepsZoo(o.Version) {
		maps.Copy(all, zooShape(id, ports))
		return all
	}
	maps.Copy(all, controllerShape(id, ports))
	all["listeners"] += fmt.Sprintf(",CONTROLLER://127.0.0.1:%d", mine.controller)
	all["listener.security.protocol.map"] += ",CONTROLLER:PLAINTEXT"
	return all
}

// controllerShape is what makes brokers their own controllers.
func controllerShape(id int, ports []brokerPorts) map[string]string {
	var voters []string
	for i, p := range ports {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, p.controller))
	}
	return map[string]string{
		"process.roles":             "broker,controller",
		"node.id":                   strconv.Itoa(id),
		"controller.quorum.voters":  strings.Join(voters, ","),
		"controller.listener.names": "CONTROLLER",
	}
}

// quick is what lets a test wait for milliseconds where production waits for minutes, on little memory.
func quick(o Options) map[string]string {
	replicas, inSync := strconv.Itoa(o.Brokers), strconv.Itoa(min(o.Brokers, 2))
	return map[string]string{
		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       replicas,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "8",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,
		"share.coordinator.state.topic.num.partitions":     "2",
		"group.initial.rebalance.delay.ms":                 strconv.FormatInt(o.RebalanceDelay.Milliseconds(), 10),
		"log.cleaner.backoff.ms":                           "500",
		"log.cleaner.dedupe.buffer.size":                   "16777216",
		"log.initial.task.delay.ms":                        "500",
		"log.retention.check.interval.ms":                  "1000",
		"producer.id.expiration.check.interval.ms":         "1000",
	}
}

// render writes settings in the format of java.util.Properties, sorted by name.
func render(props map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(&b, "%s=%s\n", k, escapeProperty(props[k]))
	}
	return b.String()
}

// escapeProperty protects what java.util.Properties would read otherwise in a value: backslashes, line breaks, leading blanks.
func escapeProperty(v string) string {
	v = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v)
	if strings.HasPrefix(v, " ") {
		v = `\` + v
	}
	return v
}
