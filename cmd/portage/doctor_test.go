package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/portage-kafka/portage/cmd/internal/config"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestDoctor: what is wrong with each cluster, in a line each.
func TestDoctor(t *testing.T) {
	d := newDesk(t)
	out, code := d.portage("doctor")
	require.Equal(t, exitFailed, code)
	require.Contains(t, line(t, out, "new"), "portage.events, portage.directives, portage.offsets, portage.progress: missing: run portage init")
	require.Contains(t, out, "Least privileges")
	require.Contains(t, out, "Topic (moving): Describe, DescribeConfigs, AlterConfigs, Alter, Create", "a topic grows with its source: CreatePartitions needs Alter")

	d.ok("init")
	locked := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Extra: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "right")}}})
	d.configure(fmt.Sprintf("  locked: {bootstrap: [%q], sasl: {mechanism: PLAIN, username: admin, password: 'literal:guessed'}}\n", locked.Source.Bootstrap()[0]))
	out, code = d.portage("doctor")
	require.Equal(t, exitPermission, code, out)
	require.Contains(t, line(t, out, "locked"), "password")
	require.NotContains(t, out, "guessed", "a secret is never shown")

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	d.configure(fmt.Sprintf("  away: {bootstrap: [%q]}\n", address))
	out, code = d.portage("doctor")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, line(t, out, "away"), address)
	require.Contains(t, line(t, out, "old"), d.pair.Source.ID(), "the others are looked at all the same")
}

// guarded are options of a cluster on which portage may do what the list of
// privileges says for it, but for some of it.
func guarded(t *testing.T, on []string, but ...kfake.ACL) []kfake.Opt {
	var acls []kfake.ACL
	for _, p := range privileges() {
		if !slices.Contains(on, p.On) {
			continue
		}
		kind, err := kmsg.ParseACLResourceType(p.Resource)
		require.NoError(t, err)
		name, pattern := p.Prefix, kmsg.ACLResourcePatternTypePrefixed
		switch {
		case kind == kmsg.ACLResourceTypeCluster:
			name, pattern = "kafka-cluster", kmsg.ACLResourcePatternTypeLiteral
		case name == "":
			name = "moving-"
		}
		for _, o := range p.Operations {
			op, err := kmsg.ParseACLOperation(o)
			require.NoError(t, err)
			acls = append(acls, kfake.ACL{Resource: kind, Name: name, Pattern: pattern, Operation: op, Allow: true})
		}
	}
	return []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "portage", "p", append(acls, but...)...)}
}

// guardedDesk is a desk whose clusters allow no more than is listed, but for some
// of it on the source.
func guardedDesk(t *testing.T, but ...kfake.ACL) *desk {
	d := &desk{t: t, dir: t.TempDir(), pair: embedded.ForTest(t, embedded.Options{
		Source: embedded.Side{Topics: []embedded.Topic{{Name: "moving-orders", Partitions: 1}}, Extra: guarded(t, []string{everyCluster, sourceCluster}, but...)},
		Target: embedded.Side{Extra: guarded(t, []string{everyCluster, targetCluster, controlCluster})},
	})}
	section := func(c *embedded.Cluster) string {
		return fmt.Sprintf("{bootstrap: [%q], sasl: {mechanism: PLAIN, username: portage, password: 'literal:p'}}", c.Bootstrap()[0])
	}
	d.write("portage.yaml", fmt.Sprintf("control: new\ndata: %s\nclusters:\n  old: %s\n  new: %s\n", filepath.Join(d.dir, "data"), section(d.pair.Source), section(d.pair.Target)))
	return d
}

const guardedPlan = "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: moving-orders}]\ngroups: [moving-billing]\n"

// rights runs doctor and returns the results by cluster and resource.
func (d *desk) rights(code int, args ...string) map[string]right {
	d.t.Helper()
	out, got := d.portage(append([]string{"doctor", "-o", "json"}, args...)...)
	require.Equal(d.t, code, got, out)
	var found checkup
	require.NoError(d.t, json.NewDecoder(bytes.NewBufferString(out)).Decode(&found), out)
	all := make(map[string]right)
	for _, c := range found.Clusters {
		for _, r := range c.Rights {
			all[r.Cluster+" "+r.Resource] = r
		}
	}
	return all
}

// TestLeastPrivilegesSuffice: with what doctor lists, and no more, it finds nothing
// missing before init and after it, and a migration can be created and started.
func TestLeastPrivilegesSuffice(t *testing.T) {
	d := guardedDesk(t)
	file := d.write("plan.yaml", guardedPlan)
	before := d.rights(exitFailed, "-f", file) // for the control topics are missing
	require.Equal(t, rightCreatable, before["new topic portage.events"].Result)
	d.ok("init")
	after := d.rights(exitDone, "-f", file)
	for _, name := range []string{
		"old cluster", "old topic moving-orders", "old group moving-billing", "new cluster", "new topic portage.events", "new topic portage.progress",
		"new group portage-workers", "new group moving-billing",
	} {
		require.Equal(t, rightAllowed, after[name].Result, "%s: %+v", name, after[name])
	}
	require.Equal(t, rightCreatable, after["new topic moving-orders"].Result)
	require.Nil(t, d.pair.Target.Kfake().TopicInfo("moving-orders"), "it was not created")
	require.Len(t, after, 11)
	require.Len(t, d.rights(exitDone), 7, "without a plan, of what is portage's own")
	d.ok("create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: moving-orders}]\n"), "--despite-preflight")
	d.ok("start", "m")
}

// TestMissingRights: each is told with its resource, and makes doctor exit with 77.
func TestMissingRights(t *testing.T) {
	deny := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op}
	}
	for what, c := range map[string]struct {
		acl      kfake.ACL
		resource string
		missing  []string
	}{
		"read":      {deny(kmsg.ACLResourceTypeTopic, "moving-orders", kmsg.ACLOperationRead), "old topic moving-orders", []string{"Read"}},
		"topic":     {deny(kmsg.ACLResourceTypeTopic, "moving-orders", kmsg.ACLOperationDescribe), "old topic moving-orders", []string{"Describe"}},
		"group":     {deny(kmsg.ACLResourceTypeGroup, "moving-billing", kmsg.ACLOperationRead), "old group moving-billing", []string{"Read"}},
		"unseen":    {deny(kmsg.ACLResourceTypeGroup, "moving-billing", kmsg.ACLOperationAll), "old group moving-billing", []string{"Describe"}},
		"of itself": {deny(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribeConfigs), "old cluster", []string{"DescribeConfigs"}},
	} {
		t.Run(what, func(t *testing.T) {
			d := guardedDesk(t, c.acl)
			d.ok("init")
			file := d.write("plan.yaml", guardedPlan)
			got := d.rights(exitPermission, "-f", file)[c.resource]
			require.Equal(t, rightMissing, got.Result)
			require.Equal(t, c.missing, got.Missing)
			require.Contains(t, got.Detail, "grant "+c.missing[0])
			out, _ := d.portage("doctor", "-f", file)
			require.Contains(t, out, "missing "+c.missing[0])
			require.Contains(t, out, "all that is needed is allowed on 9 resources, 1 topics are not there yet and may be created, some are missing on 1")
		})
	}
}

// TestOldBroker: before Kafka 2.3 brokers do not tell what is allowed, which is
// said and fails nothing.
func TestOldBroker(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	old := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}, Extra: []kfake.Opt{kfake.MaxVersions(kversion.V2_2_0())}}})
	d.configure(fmt.Sprintf("  aged: {bootstrap: [%q]}\n", old.Source.Bootstrap()[0]))
	file := d.write("plan.yaml", "migration: m\nsource: aged\ntargets: [new]\ntopics: [{name: orders}]\ngroups: [billing]\n")
	found := d.rights(exitDone, "-f", file)
	for _, resource := range []string{"cluster", "topic orders", "group billing"} {
		got := found["aged "+resource]
		require.Equal(t, rightUnknown, got.Result, resource)
		require.Contains(t, got.Detail, "Kafka 2.3 and later do")
	}
	require.Contains(t, d.ok("doctor", "-f", file), "3 cannot be told")
}

// TestDoctorNeedsAPlanThatIsOne: a file that is none is refused before a cluster is
// asked.
func TestDoctorNeedsAPlanThatIsOne(t *testing.T) {
	d := newDesk(t)
	out, code := d.portage("doctor", "-f", "nowhere.yaml")
	require.Equal(t, exitUsage, code, out)
	out, code = d.portage("doctor", "-f", d.write("plan.yaml", "migration: m\n"))
	require.Equal(t, exitRefused, code, out)
	require.Contains(t, out, "topics: missing")
	d.write("portage.yaml", "")
	out, code = d.portage("doctor")
	require.Equal(t, exitUsage, code, out)
}

// TestRightsAreJudged: what a broker tells, or does not, and what that means.
func TestRightsAreJudged(t *testing.T) {
	bits := func(ops ...kmsg.ACLOperation) (a allowed) {
		for _, op := range ops {
			a |= 1 << op
		}
		return a
	}
	read, write := kmsg.ACLOperationRead, kmsg.ACLOperationWrite
	require.Equal(t, right{Result: rightAllowed}, right{}.judge(bits(read, write), []string{"Read", "Write", "Read"}))
	require.Equal(t, []string{"Write"}, right{}.judge(bits(read), []string{"Write", "Read", "Write"}).Missing)
	require.Equal(t, rightUnknown, right{}.judge(untold, []string{"Read"}).Result)
	require.Equal(t, right{Result: rightUnknown, Detail: "away"}, right{}.refused(errors.New("away"), kerr.TopicAuthorizationFailed))
	require.Equal(t, []string{"Create"}, right{}.creatable(kerr.TopicAuthorizationFailed).Missing)
	require.Equal(t, rightUnknown, right{}.creatable(kerr.PolicyViolation).Result)

	lacks := right{}.judge(0, []string{"IdempotentWrite"})
	require.Equal(t, lacks, lacks.idempotent(false, false))
	require.Equal(t, right{Result: rightAllowed}, lacks.idempotent(true, false))
	require.Equal(t, rightUnknown, lacks.idempotent(false, true).Result)
	both := right{}.judge(0, []string{"Describe", "IdempotentWrite"}).idempotent(true, true)
	require.Equal(t, []string{"Describe"}, both.Missing)
	require.NotContains(t, both.Detail, "IdempotentWrite")
}

// TestWhatIsTested: a cluster is tested for what a plan makes of it.
func TestWhatIsTested(t *testing.T) {
	p, err := plan.Parse([]byte("migration: m\nsource: old\ntargets: [new, far]\ntopics: [{name: a, target: far}, {name: b, target: new, target_name: c}]\ngroups: [g]\n"))
	require.NoError(t, err)
	cfg := &config.Config{Control: "new"}
	require.Equal(t, []string{"a", "b"}, sorted(testsOf(cfg, "old", p).topics))
	require.Equal(t, []string{"a"}, sorted(testsOf(cfg, "far", p).topics))
	require.Equal(t, []string{"g"}, sorted(testsOf(cfg, "far", p).groups))
	require.Equal(t, []string{"c", "portage.directives", "portage.events", "portage.offsets", "portage.progress"}, sorted(testsOf(cfg, "new", p).topics))
	require.Empty(t, testsOf(cfg, "other", p).topics)
	require.Equal(t, []string{"g", "portage-workers"}, sorted(testsOf(cfg, "new", p).groups))
	require.NotContains(t, testsOf(cfg, "old", p).cluster, "IdempotentWrite", "nothing is written to the source")
}
