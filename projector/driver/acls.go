package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// copyACLs gives the target topic the rights that the source topic's clients
// have, those to write there only when they may, and reads them back. Where
// clusters keep no ACLs there is nothing to copy; where portage may not see or
// create them, a person has to, and the report says so.
func (w *work) copyACLs(ctx context.Context, t *fsm.Topic, writable bool) (r events.CopiedACLs, err error) {
	source, target, err := w.sides(ctx, t.Plan.Source, t.Plan.Target)
	if err != nil {
		return r, err
	}
	have, err := source.DescribeTopicACLs(ctx, t.Topic)
	if err == nil {
		r.Count, err = bring(ctx, target, t.Plan.TargetTopic, imagesOf(have, t.Plan.TargetTopic, writable))
	}
	switch {
	case errors.Is(err, cluster.ErrNoAuthorizer), errors.Is(err, cluster.ErrUnsupported):
		return events.CopiedACLs{}, nil
	case errors.Is(err, cluster.ErrUnauthorized):
		w.d.log(w.it).Warn().Err(err).Msg("the topic's ACLs are not copied: grant them by hand")
		return events.CopiedACLs{Note: "not copied, grant them by hand: " + err.Error()}, nil
	}
	return r, err
}

// bring creates the ACLs that a topic lacks and sees that all are there.
func bring(ctx context.Context, target *cluster.Client, topic string, wanted []cluster.ACL) (int, error) {
	have, err := target.DescribeTopicACLs(ctx, topic)
	if err != nil {
		return 0, err
	}
	lacking := missing(wanted, have)
	if len(lacking) == 0 {
		return len(wanted), nil
	}
	if err := target.CreateACLs(ctx, lacking); err != nil {
		return 0, err
	}
	if have, err = target.DescribeTopicACLs(ctx, topic); err != nil {
		return 0, err
	}
	if lacking = missing(wanted, have); len(lacking) > 0 {
		return 0, fmt.Errorf("%d ACLs of %s do not show on %s yet, the first: %s", len(lacking), topic, target.Name(), lacking[0])
	}
	return len(wanted), nil
}
