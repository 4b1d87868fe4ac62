package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// Ways to log in, by the names of their listeners.
const (
	scram = "SCRAM"
	mtls  = "MTLS"
	oauth = "OAUTH"
)

// guarded are brokers that want to know who comes, and let nobody do what no ACL allows.
func guarded() realkafka.Options {
	return realkafka.Options{
		ACLs:  true,
		Users: []realkafka.User{{Name: "portage", Password: "portage-secret"}, {Name: "intern", Password: "intern-secret"}},
		Listeners: []realkafka.Listener{
			{Name: scram, TLS: realkafka.ServerTLS, SASL: realkafka.Scram512},
			{Name: mtls, TLS: realkafka.MutualTLS},
			{Name: oauth, TLS: realkafka.ServerTLS, SASL: realkafka.OAuth},
		},
	}
}

// login writes a configuration in which portage logs in to both clusters as a user; a password that is not "" replaces the
// right one.
func (b *bench) login(way, user, password string) {
	b.t.Helper()
	for _, k := range b.kafka {
		c, err := k.ClientConfig(way, user)
		require.NoError(b.t, err)
		var tls, sasl []string
		tls = append(tls, "ca: "+c.CA)
		if c.Cert != "" {
			tls = append(tls, "cert: "+c.Cert, "key: "+c.Key)
		}
		switch {
		case c.TokenFile != "":
			sasl = append(sasl, "mechanism: "+c.Mechanism, "token: file:"+c.TokenFile)
		case c.Mechanism != "":
			if password != "" {
				c.Password = password
			}
			file := b.write(fmt.Sprint(k.Name(), "-", user, "-", password, ".password"), c.Password+"\n") // others go on with theirs
			sasl = append(sasl, "mechanism: "+c.Mechanism, "username: "+c.User, "password: file:"+file)
		}
		section := fmt.Sprintf("{bootstrap: [%s], tls: {%s}", strings.Join(c.Bootstrap, ", "), strings.Join(tls, ", "))
		if len(sasl) > 0 {
			section += fmt.Sprintf(", sasl: {%s}", strings.Join(sasl, ", "))
		}
		b.sections[k.Name()] = section + "}"
	}
	b.configure()
}

// privileges are the least that `portage doctor` says portage needs on each cluster, the target being the control cluster.
func privileges() map[string][]realkafka.ACL {
	type on struct {
		kind     kmsg.ACLResourceType
		name     string
		prefixed bool
		may      []kmsg.ACLOperation
	}
	const (
		describe, configs, read, write = kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationRead, kmsg.ACLOperationWrite
		create, alter, remove          = kmsg.ACLOperationCreate, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationDelete
	)
	topic, group, cluster := kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeCluster
	type ops = []kmsg.ACLOperation
	all := map[string][]on{
		source: {
			{cluster, "kafka-cluster", false, ops{describe, configs}},
			{topic, "over-", true, ops{describe, configs, read}},
		},
		target: {
			{cluster, "kafka-cluster", false, ops{describe, configs, kmsg.ACLOperationIdempotentWrite, create}},
			{topic, "over-", true, ops{describe, configs, alter, create, read, write, remove}},
			{topic, "portage.", true, ops{kmsg.ACLOperationAll}},
			{group, "portage-", true, ops{describe, read}},
		},
	}
	out := map[string][]realkafka.ACL{}
	for name, list := range all {
		for _, p := range list {
			for _, op := range p.may {
				out[name] = append(out[name], realkafka.ACL{User: "portage", Operation: op, Resource: p.kind, Name: p.name, Prefixed: p.prefixed})
			}
		}
	}
	return out
}

// TestRealAuth copies a topic over each way to log in, with no more rights than `portage doctor` says are needed, and shows
// what portage says about wrong credentials and missing rights.
func TestRealAuth(t *testing.T) {
	b := realBench(t, guarded(), guarded())
	for _, k := range b.kafka {
		for _, a := range privileges()[k.Name()] {
			require.NoError(t, k.CreateACL(t.Context(), a))
		}
	}
	b.login(scram, "portage", "")
	b.init()
	var topics []oracle.Topic
	for _, way := range []string{scram, mtls, oauth} {
		b.login(way, "portage", "")
		topics = append(topics, b.copyOver(way))
	}
	b.judge("", verdict{topics: topics})

	serve := b.forbid()
	b.login(scram, "portage", "a-guess")
	b.refuse(permission, []string{"wrong user name or password", `"portage"`, "source", "target"}, "doctor")
	b.refuse(permission, []string{"wrong user name or password"}, "serve")
	b.login(scram, "intern", "")
	b.refuse(permission, []string{"AUTHORIZATION_FAILED"}, "doctor")
	b.refuse(permission, []string{"AUTHORIZATION_FAILED"}, "serve")
	b.login(mtls, "intern", "")
	b.refuse(permission, []string{"AUTHORIZATION_FAILED"}, "serve")
	b.login(scram, "portage", "")
	b.forbidden()
	serve.stop()
}

// copyOver copies a topic while portage logs in one way, and returns it.
func (b *bench) copyOver(way string) oracle.Topic {
	b.t.Helper()
	name := "over-" + strings.ToLower(way)
	b.topic(source, name, 3, nil)
	b.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: name, Topics: []string{name}, Keys: 20, Headers: 1}, Count: 500, Codec: "lz4"})
	b.do("doctor")
	b.do("create", "-f", b.plan(way, []string{name}, nil, "quiet: 1s"))
	b.do("start", way)
	serve := b.serve("")
	b.counted(way, "its topic synced", func(c fsm.Count) bool { return c.Synced == 1 })
	serve.stop()
	return oracle.Topic{Name: name}
}

// forbid lets portage copy a topic that it may see and may not read.
func (b *bench) forbid() *process {
	b.t.Helper()
	b.login(scram, "portage", "")
	b.topic(source, "over-there", 1, nil)
	b.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "secret", Topics: []string{"over-there"}, Keys: 2}, Count: 10})
	require.NoError(b.t, b.kafka[0].CreateACL(b.t.Context(), realkafka.ACL{
		User: "portage", Deny: true, Operation: kmsg.ACLOperationRead, Resource: kmsg.ACLResourceTypeTopic, Name: "over-there"}))
	b.do("create", "-f", b.plan("secret", []string{"over-there"}, nil, "quiet: 1s"))
	b.do("start", "secret")
	serve := b.serve("")
	// It reads the configuration once, at the start; the tests that follow change it.
	b.eventually("serve to run", func() bool { return strings.Contains(serve.said(), `"serving"`) })
	return serve
}

// forbidden waits until the topic waits for a person, who is told why.
func (b *bench) forbidden() {
	b.t.Helper()
	b.until("the topic to wait for a person", func(v *projector.View) bool {
		row, ok := v.Topic("secret", "over-there")
		return ok && row.Copy == events.PhaseStopped
	})
	why := b.do("why", "secret")
	require.Contains(b.t, why, "TOPIC_AUTHORIZATION_FAILED")
	require.Contains(b.t, why, "grant READ")
	b.do("cancel", "secret", "--reason", "not ours")
	b.phase("secret", events.PhaseCancelled)
}
