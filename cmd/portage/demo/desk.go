package demo

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/events/log"
)

// desk is the person who runs the migration: connections, and a fold of the log.
type desk struct {
	*operator.Operator
	clusters map[string]*cluster.Client
}

func (d *demo) newDesk(ctx context.Context) (o *desk, err error) {
	o = &desk{clusters: make(map[string]*cluster.Client)}
	for name, cfg := range d.configs() {
		if o.clusters[name], err = cluster.Open(ctx, name, cfg); err != nil {
			return o, err
		}
	}
	if _, err := log.Init(ctx, o.clusters[targetName], log.InitOptions{}); err != nil {
		return o, err
	}
	o.Operator, err = operator.New(operator.Options{Control: o.clusters[targetName], Name: "demo", Logger: d.Logger})
	return o, err
}

func (o *desk) close() {
	if o.Operator != nil {
		_ = o.Close()
	}
	for _, c := range o.clusters {
		if c != nil {
			_ = c.Close()
		}
	}
}

func (o *desk) client(_ context.Context, name string) (*cluster.Client, error) {
	if c := o.clusters[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("the demo has no cluster %q", name)
}
