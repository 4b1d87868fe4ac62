package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
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

// checkup is what `portage doctor -o json` prints.
type checkup struct {
	Clusters []struct {
		Cluster, Problem string
		Rights           []struct {
			Resource, Result string
			Missing          []string
		}
	}
	Privileges []struct {
		On, Resource, Prefix string
		Operations           []string
	}
}

// doctor runs `portage doctor`, whatever it comes to.
func (b *bench) doctor(code int, args ...string) (found checkup) {
	b.t.Helper()
	r := b.portage(append([]string{"doctor", "-o", "json"}, args...)...)
	require.Equal(b.t, code, r.code, "%s%s", r.out, r.err)
	require.NoError(b.t, json.Unmarshal([]byte(r.out), &found), r.out)
	return found
}

// lacks is what is missing of a resource.
func (c checkup) lacks(cluster, resource string) []string {
	for _, d := range c.Clusters {
		for _, r := range d.Rights {
			if d.Cluster == cluster && r.Resource == resource {
				return r.Missing
			}
		}
	}
	return []string{"a test of it"}
}

// least are the privileges that `portage doctor` lists for a cluster, the target being the control cluster; what moves is
// called over-SOMETHING.
func (c checkup) least(t *testing.T, cluster string) (acls []realkafka.ACL) {
	t.Helper()
	roles := map[string][]string{source: {"every cluster", "source"}, target: {"every cluster", "target", "control"}}
	for _, p := range c.Privileges {
		if !slices.Contains(roles[cluster], p.On) {
			continue
		}
		kind, err := kmsg.ParseACLResourceType(p.Resource)
		require.NoError(t, err)
		acl := realkafka.ACL{User: "portage", Resource: kind, Name: p.Prefix, Prefixed: true}
		switch {
		case kind == kmsg.ACLResourceTypeCluster:
			acl.Name, acl.Prefixed = "kafka-cluster", false
		case p.Prefix == "":
			acl.Name = "over-"
		}
		for _, o := range p.Operations {
			acl.Operation, err = kmsg.ParseACLOperation(o)
			require.NoError(t, err)
			acls = append(acls, acl)
		}
	}
	return acls
}

// TestRealAuth copies a topic over each way to log in, with no more rights than `portage doctor` says are needed, and shows
// what portage says about wrong credentials and missing rights.
func TestRealAuth(t *testing.T) {
	b := realBench(t, guarded(), guarded())
	listed := b.doctor(failed) // the control topics are not there yet
	for _, k := range b.kafka {
		for _, a := range listed.least(t, k.Name()) {
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
	b.refuse(permission, []string{"AUTHORIZATION_FAILED", "missing Describe"}, "doctor")
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
	plan := b.plan(way, []string{name}, nil, "quiet: 1s")
	for _, d := range b.doctor(done, "-f", plan).Clusters {
		for _, r := range d.Rights {
			require.Contains(b.t, []string{"allowed", "creatable"}, r.Result, "%s: %s", d.Cluster, r.Resource)
		}
	}
	b.do("create", "-f", plan)
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
	plan := b.plan("secret", []string{"over-there"}, nil, "quiet: 1s")
	require.Equal(b.t, []string{"Read"}, b.doctor(permission, "-f", plan).lacks(source, "topic over-there"))
	b.do("create", "-f", plan)
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
