package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster"
)

// groups: what a switch of the group would stumble over.
func groups(ctx context.Context, f *facts) (out []Finding, err error) {
	if len(f.Groups) == 0 {
		return nil, nil
	}
	listed, err := f.Source.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range f.Groups {
		i := slices.IndexFunc(listed, func(g cluster.GroupListing) bool { return g.Group == name })
		found, err := f.group(ctx, name, i >= 0 && listed[i].Type == "consumer")
		if err != nil {
			return out, fmt.Errorf("group %s: %w", name, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// group looks at one group of the source; modern is true for one of KIP-848,
// whose members the broker does not show to us.
func (f *facts) group(ctx context.Context, name string, modern bool) (out []Finding, err error) {
	add := func(s Severity, fix, evidence string, args ...any) {
		out = append(out, Finding{Subject: "group " + name, Severity: s, Evidence: fmt.Sprintf(evidence, args...), Fix: fix})
	}
	if modern {
		add(Failure, "let its members use group.protocol=classic, or move the group without the SDK", "the group uses the consumer protocol of KIP-848, which portage cannot close")
	}
	g, err := f.Source.DescribeGroup(ctx, name)
	if err != nil {
		return out, err
	}
	if len(g.Members) > 0 && g.ProtocolType != "consumer" {
		add(Failure, "leave the group out", "the group has %d members of protocol type %q, which are no consumers", len(g.Members), g.ProtocolType)
	}
	committed, err := f.Source.Offsets(ctx, name, false, nil)
	if err != nil {
		return out, err
	}
	for _, p := range f.Pairs {
		if len(committed[p.Topic]) == 0 {
			continue
		}
		found, err := f.committed(ctx, name, p.Topic, committed[p.Topic])
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// committed compares a group's offsets with what the source holds.
func (f *facts) committed(ctx context.Context, group, topic string, at map[int32]cluster.Offset) (out []Finding, err error) {
	t, err := f.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	first, err := offsets(ctx, f.Source, t, cluster.Earliest)
	if err != nil {
		return nil, err
	}
	end, err := offsets(ctx, f.Source, t, cluster.Latest)
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Sorted(maps.Keys(at)) {
		o := at[n]
		subject := fmt.Sprintf("group %s, %s/%d", group, topic, n)
		switch {
		case o.At < 0:
			continue
		case o.At > end[n]:
			out = append(out, Finding{
				Subject: subject, Severity: Failure, Evidence: fmt.Sprintf("the group has committed %d, the partition ends at %d: the topic was truncated or created anew", o.At, end[n]),
				Fix: "reset the group's offset to where it is to go on",
			})
		case o.At < first[n]:
			out = append(out, Finding{
				Subject: subject, Severity: Warning, Evidence: fmt.Sprintf("the group has committed %d, the partition begins at %d: %d offsets were deleted before the group read them", o.At, first[n], first[n]-o.At),
				Fix: "let the group catch up before it moves; it goes on at the first record that is left",
			})
		}
		if o.Metadata != "" {
			out = append(out, Finding{
				Subject: subject, Severity: Warning, Evidence: fmt.Sprintf("the offset is committed with %d bytes of metadata, which belong to the client and are not moved", len(o.Metadata)),
				Fix: "make sure that the client can do without: some keep what is not processed there",
			})
		}
	}
	return out, nil
}

// external: systems that keep their positions outside consumer groups cannot be
// moved by switching groups.
func external(ctx context.Context, f *facts) (out []Finding, err error) {
	all, err := f.all(ctx, f.Source)
	if err != nil {
		return nil, err
	}
	for _, g := range f.Groups {
		if what := externalGroup(g); what != "" {
			out = append(out, Finding{
				Subject: "group " + g, Severity: Failure, Evidence: "the name is one of " + what + ", which keeps state beside the group's offsets",
				Fix: "leave the group out and move " + what + " by its own means",
			})
		}
		for _, topic := range slices.Sorted(maps.Keys(all)) {
			if strings.HasPrefix(topic, g+"-") && streamsTopic(topic) {
				out = append(out, Finding{
					Subject: "group " + g, Severity: Failure, Evidence: "topic " + topic + " shows that the group is an application of Kafka Streams, which keeps state beside the group's offsets",
					Fix: "leave the group out and move the application by its own means",
				})
				break
			}
		}
	}
	for _, p := range f.Pairs {
		if streamsTopic(p.Topic) || strings.HasPrefix(p.Topic, "connect-") {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: "the name is that of an internal topic of Kafka Streams or Kafka Connect",
				Fix: "leave it out: its owner creates it on the target",
			})
		}
	}
	return out, nil
}

func streamsTopic(name string) bool {
	return strings.HasSuffix(name, "-changelog") || strings.HasSuffix(name, "-repartition")
}

func externalGroup(g string) string {
	switch {
	case strings.HasPrefix(g, "connect-"):
		return "Kafka Connect"
	case strings.HasPrefix(g, "spark-kafka-"):
		return "Spark"
	case strings.Contains(g, "flink"):
		return "Flink"
	}
	return ""
}
