package plan_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// shop is a source with a few topics and groups.
func shop(t *testing.T, target ...embedded.Topic) *world {
	w := start(t, embedded.Options{Brokers: 3, Source: embedded.Side{Topics: []embedded.Topic{
		{Name: "orders", Partitions: 2, Configs: map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"}},
		{Name: "payments", Partitions: 1}, {Name: "clicks", Partitions: 1},
	}}, Target: embedded.Side{Topics: target}})
	w.commit("billing", "orders", 0, 3)
	w.commit("billing", "payments", 0, 1)
	w.commit("audit", "clicks", 0, 1)
	return w
}

func TestResolve(t *testing.T) {
	w := shop(t, embedded.Topic{Name: "payments-v2", Partitions: 1})
	p := parse(t, "migration: m\nsource: old\ntargets: [new]\nowner: me\ntopics:\n- name: orders\n- {name: payments, target_name: payments-v2, replication_factor: 1}\ngroups: [billing]\n")
	r, err := plan.Resolve(w.ctx, p, w.clusters)
	require.NoError(t, err)
	old, target := events.ClusterRef{Name: "old", ID: "embedded-source"}, events.ClusterRef{Name: "new", ID: "embedded-target"}
	require.Equal(t, old, r.Source)
	require.Equal(t, []events.ClusterRef{target}, r.Targets)
	require.Equal(t, []plan.ResolvedTopic{
		{Name: "orders", Body: events.TopicPlanned{
			Source: old, TopicID: w.topicID("orders"), Partitions: 2, Target: target, TargetTopic: "orders", ReplicationFactor: 3,
			Configs: map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"},
		}},
		{Name: "payments", Body: events.TopicPlanned{
			Source: old, TopicID: w.topicID("payments"), Partitions: 1, Target: target, TargetTopic: "payments-v2", ReplicationFactor: 1,
			Existing: true, Configs: map[string]string{},
		}},
	}, r.Topics)
	require.Equal(t, []plan.ResolvedGroup{{Name: "billing", Body: events.GroupPlanned{Source: old, Target: target, Topics: []string{"orders", "payments"}}}}, r.Groups)
	require.Len(t, r.Hash, 64)
	again, err := plan.Resolve(w.ctx, p, w.clusters)
	require.NoError(t, err)
	require.Equal(t, r.Hash, again.Hash)
}

func (w *world) topicID(name string) string {
	topics, err := w.old.Topics(w.ctx, name)
	require.NoError(w.t, err)
	id := topics[name].ID
	return hex.EncodeToString(id[:])
}

// TestResolveFindsProblems: what the clusters have against a plan, with line,
// values and fix, all at once.
func TestResolveFindsProblems(t *testing.T) {
	w := shop(t, embedded.Topic{Name: "orders", Partitions: 3}, embedded.Topic{Name: "payments", Partitions: 1})
	w.write(w.pair.Target, "payments", 0, 4)
	for what, c := range map[string]struct{ file, want string }{
		"topics": {
			"migration: m\nsource: old\ntargets: [new]\ntopics:\n- name: order\n- name: nothing-like-it\n- name: orders\n- name: payments\n- {name: clicks, replication_factor: 4}\n",
			`line 5: topics[0].name: topic "order" is not on old: did you mean "orders"?
line 6: topics[1].name: topic "nothing-like-it" is not on old: mend its name, or leave it out
line 7: topics[2]: topic "orders" has 3 partitions on new and 2 on old: delete it there, or give the topic another target_name
line 8: topics[3]: topic "payments" exists on new and is not empty (partition 0 ends at 4): delete it there, or give the topic another target_name
line 9: topics[4].replication_factor: 4 replicas do not fit on new, which has 3 brokers: use at most 3`,
		},
		"groups": {
			"migration: m\nsource: old\ntargets: [new]\ntopics:\n- {name: clicks}\ngroups:\n- biling\n- billing\n- audit\n",
			`line 7: groups[0]: group "biling" has neither members nor committed offsets on old: did you mean "billing"?
line 8: groups[1]: group "billing" reads none of the plan's topics (it reads orders, payments): leave it out, or add its topics`,
		},
		"clusters": {
			"migration: m\nsource: old\ntargets: [again, nowhere]\ntopics:\n- {name: clicks, target: again}\n",
			`line 3: targets[0]: "again" is the source "old" under another name (cluster id embedded-source): name another cluster
line 3: targets[1]: cluster "nowhere" is not configured`,
		},
		"no source": {
			"migration: m\nsource: nowhere\ntargets: [new]\ntopics:\n- {name: clicks}\n",
			`line 2: source: cluster "nowhere" is not configured`,
		},
		"one cluster twice": {
			"migration: m\nsource: old\ntargets: [new, other]\ntopics:\n- {name: clicks, target: new}\n",
			`line 3: targets[1]: "other" is the target "new" under another name (cluster id embedded-target): name each cluster once`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			r, err := plan.Resolve(w.ctx, parse(t, c.file), w.clusters)
			require.Nil(t, r)
			var problems plan.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, c.want, err.Error())
		})
	}
}

// elsewhere is a third cluster that is the target under another id.
type elsewhere struct{ *cluster.Client }

func (elsewhere) ID() string   { return "far-id" }
func (elsewhere) Name() string { return "far" }

func TestGroupOverTwoTargets(t *testing.T) {
	w := shop(t)
	clusters := func(ctx context.Context, name string) (plan.Cluster, error) {
		if name == "far" {
			return elsewhere{w.open["new"]}, nil
		}
		return w.clusters(ctx, name)
	}
	p := parse(t, "migration: m\nsource: old\ntargets: [new, far]\ntopics:\n- {name: orders, target: new}\n- {name: payments, target: far}\ngroups: [billing]\n")
	_, err := plan.Resolve(w.ctx, p, clusters)
	require.EqualError(t, err, `line 7: groups[0]: the topics of group "billing" go to several targets (orders to new, payments to far): let them go to one`)
}

// TestGroupsWithMembers: a group reads what its members subscribe to, before
// they have committed anything.
func TestGroupsWithMembers(t *testing.T) {
	w := shop(t)
	c := w.client(w.pair.Source, kgo.ConsumerGroup("fresh"), kgo.ConsumeTopics("clicks", "orders"), kgo.DisableAutoCommit())
	fetched := make(chan struct{})
	ctx, cancel := context.WithCancel(w.ctx)
	go func() { defer close(fetched); c.PollFetches(ctx) }()
	defer func() { cancel(); <-fetched }()
	require.Eventually(t, func() bool {
		topics, err := plan.GroupTopics(w.ctx, w.old, "fresh")
		return err == nil && len(topics) == 2
	}, 15*time.Second, 10*time.Millisecond)
	r, err := plan.Resolve(w.ctx, parse(t, "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\ngroups: [fresh]\n"), w.clusters)
	require.NoError(t, err)
	require.Equal(t, []string{"orders"}, r.Groups[0].Body.Topics)
}

// TestResolveFails: what cannot be asked is an error that says so, not a
// problem of the plan.
func TestResolveFails(t *testing.T) {
	file := "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\ngroups: [billing]\n"
	for what, c := range map[string]struct {
		key  kmsg.Key
		side func(*world) *kfake.Cluster
		code *kerr.Error
		want string
	}{
		"configs": {kmsg.DescribeConfigs, func(w *world) *kfake.Cluster { return w.pair.Source.Kfake() }, kerr.TopicAuthorizationFailed, "read the configs of orders"},
		"offsets": {kmsg.OffsetFetch, func(w *world) *kfake.Cluster { return w.pair.Source.Kfake() }, kerr.GroupAuthorizationFailed, `read the offsets of group "billing" on old`},
		"members": {kmsg.DescribeGroups, func(w *world) *kfake.Cluster { return w.pair.Source.Kfake() }, kerr.GroupAuthorizationFailed, `describe group "billing" on old`},
		"ends":    {kmsg.ListOffsets, func(w *world) *kfake.Cluster { return w.pair.Target.Kfake() }, kerr.TopicAuthorizationFailed, "read the ends of orders on new"},
	} {
		t.Run(what, func(t *testing.T) {
			w := shop(t, embedded.Topic{Name: "orders", Partitions: 2})
			c.side(w).Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Count: -1, Err: c.code})
			r, err := plan.Resolve(w.ctx, parse(t, file), w.clusters)
			require.Nil(t, r)
			require.ErrorContains(t, err, c.want)
			require.ErrorIs(t, err, cluster.ErrUnauthorized)
			var problems plan.Problems
			require.False(t, errors.As(err, &problems))
		})
	}
}

// TestHashIsCanonical: the hash is of what will be created: how the file is
// written does not matter, everything that is created does.
func TestHashIsCanonical(t *testing.T) {
	w := shop(t)
	hash := func(file string) string {
		r, err := plan.Resolve(w.ctx, parse(t, file), w.clusters)
		require.NoError(t, err)
		return r.Hash
	}
	head := "migration: m\nsource: old\ntargets: [new]\n"
	base := hash(head + "topics: [{name: orders}, {name: payments}]\ngroups: [billing]\n")
	require.Equal(t, base, hash("# reviewed\n"+head+"groups:\n  - billing\nstrategy: consumers-first\ntopics:\n  - name: orders\n    target: new\n  - name: payments\n    target_name: payments\n    replication_factor: 3\npolicy: {hold: 5000ms}\n"))
	seen := map[string]string{base: "the plan"}
	for what, file := range map[string]string{
		"another name":      "migration: m2\nsource: old\ntargets: [new]\ntopics: [{name: orders}, {name: payments}]\ngroups: [billing]\n",
		"another owner":     head + "owner: me\ntopics: [{name: orders}, {name: payments}]\ngroups: [billing]\n",
		"another order":     head + "topics: [{name: payments}, {name: orders}]\ngroups: [billing]\n",
		"fewer topics":      head + "topics: [{name: orders}]\ngroups: [billing]\n",
		"fewer groups":      head + "topics: [{name: orders}, {name: payments}]\n",
		"another target":    head + "topics: [{name: orders, target_name: o}, {name: payments}]\ngroups: [billing]\n",
		"fewer replicas":    head + "topics: [{name: orders}, {name: payments, replication_factor: 1}]\ngroups: [billing]\n",
		"another hold":      head + "topics: [{name: orders}, {name: payments}]\ngroups: [billing]\npolicy: {hold: 6s}\n",
		"another approval":  head + "topics: [{name: orders}, {name: payments}]\ngroups: [billing]\nsteps: [{do: copy, approve: auto}, {do: readers, approve: auto}, {do: writers, approve: manual}, {do: finish, approve: manual}]\n",
		"a cluster's alias": "migration: m\nsource: old\ntargets: [other]\ntopics: [{name: orders}, {name: payments}]\ngroups: [billing]\n",
	} {
		h := hash(file)
		require.Empty(t, seen[h], "%s has the hash of %s", what, seen[h])
		seen[h] = what
	}
}

// TestEvents: one event a topic, then one a group, then the seal that counts
// them; each is the first of its stream, and the fold accepts them all.
func TestEvents(t *testing.T) {
	w := shop(t)
	r, err := plan.Resolve(w.ctx, parse(t, "migration: m\nsource: old\ntargets: [new]\nowner: me\ntopics: [{name: payments}, {name: orders}]\ngroups: [billing]\n"), w.clusters)
	require.NoError(t, err)
	n := 0
	es, err := r.Events(func(stream events.Stream, body events.Body) (events.Event, error) {
		n++
		return events.New(fmt.Sprintf("id-%d", n), "m", stream, events.Actor{Kind: events.Operator, Name: "me"}, time.Unix(1, 0).UTC(), body)
	})
	require.NoError(t, err)
	var streams []events.Stream
	for _, e := range es {
		streams = append(streams, e.Stream)
		require.Zero(t, *e.Expects)
		_, err := events.Encode(e)
		require.NoError(t, err)
	}
	require.Equal(t, []events.Stream{"topic/payments", "topic/orders", "group/billing", "migration"}, streams)
	raw, err := events.Encode(es[3])
	require.NoError(t, err)
	_, body, _ := events.Decode([]byte(es[3].Key("n").String()), raw)
	require.Equal(t, events.MigrationCreated{
		Hash: r.Hash, Machine: fsm.Version, Topics: 2, Groups: 1, Source: r.Source, Targets: r.Targets, Strategy: plan.ConsumersFirst,
		Steps: plan.DefaultSteps(), Owner: "me",
		Policy: events.Policy{PrepareMillis: 60000, HoldMillis: 5000, Straggler: "abort", MaxLag: 10000, QuietMillis: 10000, SilentMillis: 120000},
	}, body)

	failed := errors.New("no entropy")
	_, err = r.Events(func(events.Stream, events.Body) (events.Event, error) { return events.Event{}, failed })
	require.ErrorIs(t, err, failed)
}

func TestDraft(t *testing.T) {
	w := shop(t)
	require.NoError(t, w.pair.Source.CreateTopic(embedded.Topic{Name: "__heartbeat", Partitions: 1}))
	require.NoError(t, w.pair.Source.CreateTopic(embedded.Topic{Name: "portage.events", Partitions: 1}))
	p, err := plan.Draft(w.ctx, w.old, plan.Selection{Migration: "m", Source: "old", Targets: []string{"new"}})
	require.NoError(t, err)
	raw, err := p.Marshal()
	require.NoError(t, err)
	require.Contains(t, string(raw), "migration: m\nsource: old\ntargets: [new]\nstrategy: consumers-first\ntopics:\n  - name: clicks\n  - name: orders\n  - name: payments\ngroups:\n")
	require.Equal(t, []string{"audit", "billing"}, p.Groups)
	require.Len(t, p.Topics, 3, "neither Kafka's own topics nor portage's")
	again, err := plan.Parse(raw)
	require.NoError(t, err, "a draft is a plan")
	_, err = plan.Resolve(w.ctx, again, w.clusters)
	require.NoError(t, err)
}

func TestDraftOfSome(t *testing.T) {
	w := shop(t)
	p, err := plan.Draft(w.ctx, w.old, plan.Selection{Migration: "m", Source: "old", Targets: []string{"new", "far"}, Topics: []string{"payments"}})
	require.NoError(t, err)
	require.Equal(t, []plan.Topic{{Name: "payments", Target: "new", TargetName: "payments"}}, p.Topics)
	require.Equal(t, []string{"billing"}, p.Groups)
	p, err = plan.Draft(w.ctx, w.old, plan.Selection{Migration: "m", Source: "old", Targets: []string{"new"}, Groups: []string{"audit"}})
	require.NoError(t, err)
	require.Equal(t, []string{"audit"}, p.Groups)

	_, err = plan.Draft(w.ctx, w.old, plan.Selection{Migration: "m m", Source: "old", Targets: []string{"new"}, Topics: []string{"payment", "orders", "orders"}})
	var problems plan.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 3)
	require.ErrorContains(t, err, `topics[0].name: topic "payment" is not on old: did you mean "payments"?`)
	require.ErrorContains(t, err, `"m m" is no name for a migration`)
	require.ErrorContains(t, err, `topics[2].name: topic "orders" is listed twice: remove one`)
}

// TestDraftLeavesOthersGroupsAlone: groups of other protocol types (Connect's
// workers, portage's own) are no consumer groups.
func TestDraftLeavesOthersGroupsAlone(t *testing.T) {
	w := shop(t)
	var offsets kadm.Offsets
	offsets.AddOffset("orders", 0, 1, -1)
	_, err := kadm.NewClient(w.client(w.pair.Source)).CommitOffsets(w.ctx, "workers", offsets)
	require.NoError(t, err)
	w.pair.Source.Kfake().ControlKey(int16(kmsg.ListGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.pair.Source.Kfake().KeepControl()
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		for name, kind := range map[string]string{"billing": "consumer", "workers": "portage-worker"} {
			g := kmsg.NewListGroupsResponseGroup()
			g.Group, g.ProtocolType = name, kind
			resp.Groups = append(resp.Groups, g)
		}
		return resp, nil, true
	})
	p, err := plan.Draft(w.ctx, w.old, plan.Selection{Migration: "m", Source: "old", Targets: []string{"new"}})
	require.NoError(t, err)
	require.NotContains(t, p.Groups, "workers")
	require.Contains(t, p.Groups, "billing")
}
