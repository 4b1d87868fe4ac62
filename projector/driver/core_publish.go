package driver

import (
	"cmp"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// address is who a directive is for, on which source cluster.
type address struct {
	cluster   string
	addressee events.Addressee
}

func addressOf(d events.Directive) address { return address{d.SourceCluster, d.Addressee} }

// due are the directives of the projection that the topic does not have yet,
// lowest position first, so that a mark can follow them.
func due(wanted []*events.Directive, there map[address]int64) []events.Directive {
	var out []events.Directive
	for _, d := range wanted {
		if at, ok := there[addressOf(*d)]; !ok || at < d.Position {
			out = append(out, *d)
		}
	}
	slices.SortFunc(out, func(a, b events.Directive) int { return cmp.Compare(a.Position, b.Position) })
	return out
}

// byPartition splits directives by the partition that holds them, each in the
// order given.
func byPartition(list []events.Directive) [events.ControlPartitions][]events.Directive {
	var out [events.ControlPartitions][]events.Directive
	for _, d := range list {
		p := d.Key().Partition()
		out[p] = append(out[p], d)
	}
	return out
}
