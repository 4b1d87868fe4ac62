package driver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// createTopic makes the target topic stand there as it is to be while it is
// copied.
func (w *work) createTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	mem := w.d.recall(w.it, t.Copy, 0)
	stands, err := w.ensureTopic(ctx, t)
	if err != nil {
		return w.giveUp(ctx, t, mem, "create "+t.Plan.TargetTopic, err)
	}
	next, err := w.onTopic(ctx, t, events.CopyAxis, stands)
	if err != nil || next == again || !stands.Created {
		return next, err
	}
	return next, w.undoCreate(ctx, t, stands.TopicID)
}

// undoCreate takes back a creation that came after another orchestrator had
// released the topic: nobody else knows of it.
func (w *work) undoCreate(ctx context.Context, t *fsm.Topic, id string) error {
	view := w.d.cfg.Store.View()
	now, ok := view.Topic(t.Migration, t.Topic)
	if err := view.Close(); err != nil || !ok || now.Copy != events.PhaseReleased {
		return err
	}
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return err
	}
	have, err := target.Topics(ctx, t.Plan.TargetTopic)
	if topic, there := have[t.Plan.TargetTopic]; err != nil || !there || hex.EncodeToString(topic.ID[:]) != id {
		return err
	}
	if why, err := w.writtenByOthers(ctx, target, t); err != nil || why != "" {
		return err
	}
	w.d.log(w.it).Warn().Str("topic", t.Plan.TargetTopic).Msg("created after its release, deleted again")
	return target.DeleteTopic(ctx, t.Plan.TargetTopic)
}

func (w *work) ensureTopic(ctx context.Context, t *fsm.Topic) (stands events.TargetCreated, err error) {
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return stands, err
	}
	wanted := copyingConfigs(t.Plan.Configs)
	spec := cluster.TopicSpec{Name: t.Plan.TargetTopic, Partitions: t.Plan.Partitions, ReplicationFactor: int16(t.Plan.ReplicationFactor), Configs: wanted}
	err = target.CreateTopic(ctx, spec)
	if err != nil && !errors.Is(err, cluster.ErrTopicExists) {
		return stands, err
	}
	created := err == nil
	if !created && !t.Plan.Existing {
		if created, err = w.looksOurs(ctx, target, t); err != nil {
			return stands, err
		}
	}
	if t.Growing {
		if err := growTopic(ctx, target, t); err != nil {
			return stands, err
		}
	}
	id, err := w.fits(ctx, target, t)
	if err != nil {
		return stands, err
	}
	if wanted, err = w.ensureConfigs(ctx, target, t.Plan.TargetTopic, wanted); err != nil {
		return stands, err
	}
	acls, err := w.copyACLs(ctx, t, false)
	return events.TargetCreated{TopicID: id, Created: created, Configs: wanted, ACLs: acls}, err
}

// fits refuses a topic that is not the one to copy into, and returns its id.
func (w *work) fits(ctx context.Context, target *cluster.Client, t *fsm.Topic) (string, error) {
	topics, err := target.Topics(ctx, t.Plan.TargetTopic)
	if err != nil {
		return "", err
	}
	have, ok := topics[t.Plan.TargetTopic]
	id := hex.EncodeToString(have.ID[:])
	switch {
	case !ok:
		return "", fmt.Errorf("topic %s does not show on %s yet", t.Plan.TargetTopic, target.Name())
	case int32(len(have.Partitions)) != t.Plan.Partitions:
		return "", &finalError{fmt.Sprintf("%s has %d partitions on %s, the source has %d: delete it or change the plan", t.Plan.TargetTopic, len(have.Partitions), target.Name(), t.Plan.Partitions)}
	case t.Target != nil && t.Target.TopicID != id:
		return "", &finalError{fmt.Sprintf("%s on %s is another topic than the one that was copied to: it was deleted and created again", t.Plan.TargetTopic, target.Name())}
	case t.Target != nil:
		return id, nil
	}
	return id, w.ensureEmpty(ctx, target, t)
}

// ensureEmpty refuses a target topic with records before portage has copied
// any.
func (*work) ensureEmpty(ctx context.Context, target *cluster.Client, t *fsm.Topic) error {
	ends, err := target.ListOffsets(ctx, t.Plan.TargetTopic, partitions(t.Plan.Partitions), cluster.Latest)
	if err != nil {
		return err
	}
	for _, e := range partitionOffsets(ends) {
		if e.Offset > 0 {
			return &finalError{fmt.Sprintf("%s/%d on %s is not empty (end %d): portage copies into empty topics only", t.Plan.TargetTopic, e.Partition, target.Name(), e.Offset)}
		}
	}
	return nil
}

// looksOurs says whether a topic that stands there, though the plan found none
// and no event says that it was created, is of an attempt that died before it
// could say so: it has every setting that portage gives to a topic, as the
// topic's own. Anything else is somebody else's, and never deleted.
func (w *work) looksOurs(ctx context.Context, target *cluster.Client, t *fsm.Topic) (bool, error) {
	values, err := target.TopicConfigs(ctx, t.Plan.TargetTopic)
	if err != nil {
		return false, err
	}
	for name, want := range copyingConfigs(t.Plan.Configs) {
		if v, ok := values[name]; !ok || v.Default || v.Value != want {
			return false, nil
		}
	}
	return true, nil
}

// ensureConfigs sets what differs from the settings wanted and from open bounds
// on times, reads it back and returns what is set.
func (*work) ensureConfigs(ctx context.Context, target *cluster.Client, topic string, wanted map[string]string) (map[string]string, error) {
	known, err := target.TopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	all := openBounds(known)
	maps.Copy(all, wanted)
	if len(differing(all, valuesOf(known))) == 0 {
		return all, nil
	}
	if err := target.AlterTopicConfigs(ctx, topic, all, nil); err != nil {
		return nil, err
	}
	return all, compareConfigs(ctx, target, topic, all)
}

// errConfigs says that a topic's settings are not as wanted.
var errConfigs = errors.New("the configs differ")

func compareConfigs(ctx context.Context, target *cluster.Client, topic string, wanted map[string]string) error {
	values, err := target.TopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	if diff := differing(wanted, valuesOf(values)); len(diff) > 0 {
		return fmt.Errorf("%s on %s: %w: %s", topic, target.Name(), errConfigs, strings.Join(diff, "; "))
	}
	return nil
}

func valuesOf(configs map[string]cluster.ConfigValue) map[string]string {
	out := make(map[string]string, len(configs))
	for name, v := range configs {
		out[name] = v.Value
	}
	return out
}

// finalConfigs sets what the source has, removes what only the copy needed, and
// returns what is set.
func (w *work) finalConfigs(ctx context.Context, t *fsm.Topic, source map[string]string) (map[string]string, error) {
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return nil, err
	}
	known, err := target.TopicConfigs(ctx, t.Plan.TargetTopic)
	if err != nil {
		return nil, err
	}
	configs := boundsFor(source, known)
	needed := openBounds(known)
	maps.Copy(needed, copyingConfigs(t.Plan.Configs))
	remove := slices.DeleteFunc(slices.Sorted(maps.Keys(needed)), func(name string) bool {
		_, keep := configs[name]
		return keep
	})
	if err := target.AlterTopicConfigs(ctx, t.Plan.TargetTopic, configs, remove); err != nil {
		return nil, err
	}
	return configs, compareConfigs(ctx, target, t.Plan.TargetTopic, configs)
}
