package roster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Partition is an offset of one partition: in a cut the offset at which the group crosses, in a staging the
// offset that was committed on the target and read back.
type Partition struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String is topic/partition@offset.
func (p Partition) String() string { return fmt.Sprintf("%s/%d@%d", p.Topic, p.Partition, p.Offset) }

// Stage is one Staged acknowledgement: what an owner on the target has committed under its own generation.
type Stage struct {
	Ack
	Partitions []Partition
}

// Coverage is how far the staging of a cut has come, each list sorted by topic, partition and offset, without
// repetition.
type Coverage struct {
	Missing []Partition // of the cut: staged by nobody who counts
	Wrong   []Partition // staged at another offset than the cut's
	Extra   []Partition // staged, but not moving
}

// Complete reports whether the decision may be taken: everything that moves is staged at its cut and nowhere else.
func (c Coverage) Complete() bool { return len(c.Missing)+len(c.Wrong) == 0 }

// Why says in one line what is missing, "" when the coverage is complete.
func (c Coverage) Why() string {
	var parts []string
	for _, l := range []struct {
		what string
		list []Partition
	}{{"not staged", c.Missing}, {"staged at another offset", c.Wrong}} {
		if len(l.list) > 0 {
			parts = append(parts, l.what+": "+join(l.list))
		}
	}
	return strings.Join(parts, "; ")
}

func join(list []Partition) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return strings.Join(out, ", ")
}

// Cover compares stagings with a cut. A staging counts if it is of this epoch and its (incarnation, member id) is
// among owners: those who acknowledged Prepared(epoch) with this member id on the target.
func Cover(epoch uint32, cut []Partition, owners []Ack, stages []Stage) Coverage {
	want := sortedPartitions(cut)
	staged := sortedPartitions(counted(epoch, owners, stages))
	var c Coverage
	for _, w := range want {
		if _, found := slices.BinarySearchFunc(staged, w, compare); !found {
			c.Missing = append(c.Missing, w)
		}
	}
	for _, s := range staged {
		i, moving := slices.BinarySearchFunc(want, s, comparePartition)
		switch {
		case !moving:
			c.Extra = append(c.Extra, s)
		case want[i].Offset != s.Offset:
			c.Wrong = append(c.Wrong, s)
		}
	}
	return c
}

// counted returns the partitions of the stagings that count.
func counted(epoch uint32, owners []Ack, stages []Stage) []Partition {
	may := make(map[Ack]bool, len(owners))
	for _, o := range owners {
		may[o] = true
	}
	var out []Partition
	for _, s := range stages {
		if s.Epoch == epoch && s.Incarnation != "" && s.Member != "" && may[s.Ack] {
			out = append(out, s.Partitions...)
		}
	}
	return out
}

func sortedPartitions(list []Partition) []Partition {
	out := slices.Clone(list)
	slices.SortFunc(out, compare)
	return slices.Compact(out)
}

func comparePartition(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func compare(a, b Partition) int {
	return cmp.Or(comparePartition(a, b), cmp.Compare(a.Offset, b.Offset))
}
