package replicator

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file reads the edges of many partitions with a few requests: one to each
// leader instead of several for each partition. What it does not find out, for
// whatever reason, is asked for alone (doBounds), which explains and repeats.

// surveyRequest is a partition that wants its bounds.
type surveyRequest struct {
	p    *partition
	life int
}

// survey tells the bounds of partitions that are copied between the same two
// clusters.
func (w *Worker) survey(ctx context.Context, all []surveyRequest) {
	known := all[:0]
	var source, target *link
	for _, r := range all {
		s, t, _, err := r.p.connect(ctx)
		if err != nil {
			r.p.finished(err)
			continue
		}
		source, target = s, t
		known = append(known, r)
	}
	if len(known) == 0 {
		return
	}
	found := surveyed{source: look(ctx, source), target: look(ctx, target)}
	for _, r := range known {
		o := r.p.copyOrder()
		found.source.add(o.Topic, r.p.key.Partition)
		found.target.add(o.TargetTopic, r.p.key.Partition)
	}
	found.read()
	for _, r := range known {
		if b, ok := found.bounds(r.p); ok {
			r.p.update(r.life, func(c *core) { c.bounded(b) })
		} else {
			r.p.askAlone()
		}
		r.p.finished(nil)
	}
}

// askAlone has the partition's edges read without those of others.
func (p *partition) askAlone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alone = true
}

// surveyed is what a survey has found out.
type surveyed struct {
	source, target       *view
	starts, ends, begins map[spot]int64 // of the source's logs; of the target's
	limits               map[string]int // max.message.bytes of the target's topics
}

// read asks both clusters.
func (f *surveyed) read() {
	f.source.topics()
	f.target.topics()
	f.starts = f.source.offsets(cluster.Earliest)
	f.begins = f.target.offsets(cluster.Earliest)
	f.limits = f.target.limits()
	f.ends = f.target.settledEnds()
}

// bounds are those of one partition, if everything is known and both topics are
// the right ones.
func (f *surveyed) bounds(p *partition) (b bounds, ok bool) {
	o := p.copyOrder()
	from, to := spot{o.Topic, p.key.Partition}, spot{o.TargetTopic, p.key.Partition}
	start, ok1 := f.starts[from]
	begin, ok2 := f.begins[to]
	end, ok3 := f.ends[to]
	limit, ok4 := f.limits[o.TargetTopic]
	ok = ok1 && ok2 && ok3 && ok4 &&
		p.mismatch(f.source.link, o.Topic, o.TopicID, f.source.have[o.Topic], true) == "" &&
		p.mismatch(f.target.link, o.TargetTopic, o.TargetTopicID, f.target.have[o.TargetTopic], true) == ""
	return bounds{
		sourceStart: start, sourceEpochs: leaderEpochs(f.source.have[o.Topic], p.key.Partition),
		targetStart: begin, targetEpochs: leaderEpochs(f.target.have[o.TargetTopic], p.key.Partition),
		targetEnd: end, maxBytes: limit,
	}, ok
}

// spot is a partition of a cluster.
type spot struct {
	topic     string
	partition int32
}

// view looks at many partitions of one cluster. Those that cannot be seen are
// missing in what it returns.
type view struct {
	*link
	ctx   context.Context
	spots map[string][]int32
	have  map[string]cluster.Topic
}

func look(ctx context.Context, l *link) *view {
	return &view{link: l, ctx: ctx, spots: map[string][]int32{}}
}

func (v *view) add(topic string, partition int32) {
	v.spots[topic] = append(v.spots[topic], partition)
}

// names are the topics, sorted.
func (v *view) names() []string { return slices.Sorted(maps.Keys(v.spots)) }

// topics learns the topics and their leaders.
func (v *view) topics() {
	v.have, _ = v.Topics(v.ctx, v.names()...) // without an answer nothing is found, and everybody asks alone
}

// byLeader groups the partitions by their leaders.
func (v *view) byLeader() map[int32]map[string][]cluster.Partition {
	out := map[int32]map[string][]cluster.Partition{}
	for topic, numbers := range v.spots {
		parts := v.have[topic].Partitions
		for _, n := range numbers {
			i := slices.IndexFunc(parts, func(p cluster.Partition) bool { return p.ID == n && p.Leader >= 0 })
			if i < 0 {
				continue
			}
			if out[parts[i].Leader] == nil {
				out[parts[i].Leader] = map[string][]cluster.Partition{}
			}
			out[parts[i].Leader][topic] = append(out[parts[i].Leader][topic], parts[i])
		}
	}
	return out
}

// offsets are the offsets at a position of the logs.
func (v *view) offsets(at int64) map[spot]int64 {
	found := map[spot]int64{}
	for leader, topics := range v.byLeader() {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		for topic, parts := range topics {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = topic
			for _, part := range parts {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = part.ID, at, -1
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, err := cluster.Do[*kmsg.ListOffsetsResponse](v.ctx, v.Client, req, cluster.OnBroker(leader))
		if err != nil {
			continue
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode == 0 && p.Offset >= 0 {
					found[spot{t.Topic, p.Partition}] = p.Offset
				}
			}
		}
	}
	return found
}

// settledEnds are the ends of logs which their high watermarks have reached: see
// settledEnd.
func (v *view) settledEnds() map[spot]int64 {
	ends := v.logEnds()
	high := v.offsets(cluster.Latest)
	maps.DeleteFunc(ends, func(at spot, end int64) bool {
		var s settling
		h, known := high[at]
		return !known || !s.settled(end, h)
	})
	return ends
}

// logEnds are the ends of the leaders' logs: see leaderEnd.
func (v *view) logEnds() map[spot]int64 {
	found := map[spot]int64{}
	for leader, topics := range v.byLeader() {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		for topic, parts := range topics {
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = topic
			for _, part := range parts {
				p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
				p.Partition, p.LeaderEpoch, p.CurrentLeaderEpoch = part.ID, part.LeaderEpoch, part.LeaderEpoch
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, err := cluster.Do[*kmsg.OffsetForLeaderEpochResponse](v.ctx, v.Client, req, cluster.OnBroker(leader))
		if err != nil {
			continue
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode == 0 && p.EndOffset >= 0 {
					found[spot{t.Topic, p.Partition}] = p.EndOffset
				}
			}
		}
	}
	return found
}

// limitsAtOnce bounds the topics of one DescribeConfigs.
const limitsAtOnce = 1000

// limits are the topics' max.message.bytes.
func (v *view) limits() map[string]int {
	found := map[string]int{}
	for names := range slices.Chunk(v.names(), limitsAtOnce) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		for _, name := range names {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{limitSetting}
			req.Resources = append(req.Resources, r)
		}
		resp, err := cluster.Do[*kmsg.DescribeConfigsResponse](v.ctx, v.Client, req)
		if err != nil {
			continue
		}
		for _, r := range resp.Resources {
			for _, c := range r.Configs {
				if n, err := strconv.Atoi(value(c)); r.ErrorCode == 0 && c.Name == limitSetting && err == nil {
					found[r.ResourceName] = n
				}
			}
		}
	}
	return found
}

func value(c kmsg.DescribeConfigsResponseResourceConfig) string {
	if c.Value == nil {
		return ""
	}
	return *c.Value
}
