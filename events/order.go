package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate checks a decoded directive against the key that it stood under, and
// its order against the addressee. It errs on the side of refusing: who gets
// no directive goes on as before, who obeys a wrong one loses records.
func (d Directive) Validate(k DirectiveKey) error {
	if d.Key() != k {
		return fmt.Errorf("directive for %s stands under key %s", quote(d.Key().String()), quote(k.String()))
	}
	if !ValidName(d.Migration) {
		return fmt.Errorf("migration: %s, have %s", wantName, quote(d.Migration))
	}
	if d.Phase == "" || d.AtLeast == "" {
		return fmt.Errorf("phase and at_least are required, have %s and %s", quote(d.Phase), quote(d.AtLeast))
	}
	set := 0
	for _, have := range []bool{d.Group != nil, d.Topic != nil, d.Copy != nil, d.Pool != nil} {
		if have {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("want exactly one of group, topic, copy and pool, have %d", set)
	}
	return d.validateOrder()
}

// validateOrder checks that the order is the one for the kind of addressee and
// derived from the addressee's own stream.
func (d Directive) validateOrder() error {
	to, topic := string(d.Addressee), d.Stream.Name()
	var err error
	switch {
	case d.Group != nil && to == string(d.Stream) && d.Stream.Kind() == OfGroup:
		err = d.Group.validate()
	case d.Topic != nil && to == string(d.Stream) && d.Stream.Kind() == OfTopic:
		err = d.Topic.validate()
	case d.Copy != nil && d.Addressee == ToCopy(topic) && d.Stream.Kind() == OfTopic:
		err = d.Copy.validate(topic)
	case d.Pool != nil && d.Addressee == ToPool(d.Migration) && d.Stream == MigrationStream:
		err = d.Pool.validate()
	default:
		return fmt.Errorf("addressee %s and stream %s do not fit the order: want group/NAME for group, topic/NAME for topic, "+
			"replicate/topic/NAME for copy, replicate/migration/NAME for pool, each from its own stream", quote(to), quote(d.Stream))
	}
	if err == nil && !d.Stream.valid() {
		err = fmt.Errorf("stream: %s names no topic or group that Kafka can have", quote(d.Stream))
	}
	return err
}

func (o GroupOrder) validate() error {
	orders := []string{OrderSource, OrderPrepare, OrderHold, OrderStage, OrderTarget}
	at := slices.Index(orders, o.Order)
	switch {
	case at < 0:
		return fmt.Errorf("group.order: want one of %s, have %s", strings.Join(orders, ", "), quote(o.Order))
	case !ValidName(o.Source) || (at > 0 || o.Target != "") && !ValidName(o.Target):
		return fmt.Errorf("group.source and group.target: want cluster names, have %s and %s", quote(o.Source), quote(o.Target))
	case at > 0 && len(o.Topics) == 0:
		return fmt.Errorf("group.topics: order %s needs at least one", o.Order)
	case at >= slices.Index(orders, OrderStage) && len(o.Cut) == 0:
		return fmt.Errorf("group.cut: order %s needs at least one partition", o.Order)
	case o.LeaveSource && o.Order != OrderTarget:
		return fmt.Errorf("group.leave_source: only with order %s, have %s", OrderTarget, o.Order)
	case o.HoldMillis < 0:
		return fmt.Errorf("group.hold_ms: want a number from 0, have %d", o.HoldMillis)
	case o.Straggler != "" && o.Straggler != StragglerAbort && o.Straggler != StragglerProceed:
		return fmt.Errorf("group.straggler: want %s or %s, have %s", StragglerAbort, StragglerProceed, quote(o.Straggler))
	}
	for i, t := range o.Topics {
		if err := validTopics(t.Topic, t.TargetTopic, t.Partitions); err != nil {
			return fmt.Errorf("group.topics[%d]: %w", i, err)
		}
	}
	return validCut("group.cut", o.Cut)
}

func (o TopicOrder) validate() error {
	switch {
	case o.Route != RouteSource && o.Route != RouteTarget:
		return fmt.Errorf("topic.route: want %s or %s, have %s", RouteSource, RouteTarget, quote(o.Route))
	case o.Level != "" && o.Level != LevelRestart:
		return fmt.Errorf("topic.level: want %s or none, have %s", LevelRestart, quote(o.Level))
	case !ValidName(o.Source) || !ValidName(o.Target):
		return fmt.Errorf("topic.source and topic.target: want cluster names, have %s and %s", quote(o.Source), quote(o.Target))
	case o.Recopies < 0:
		return fmt.Errorf("topic.recopies: want a number from 0, have %d", o.Recopies)
	}
	if err := validTopics(o.TargetTopic, o.TargetTopic, o.Partitions); err != nil {
		return fmt.Errorf("topic: %w", err)
	}
	return nil
}

func (o CopyOrder) validate(topic string) error {
	switch {
	case o.Topic != topic:
		return fmt.Errorf("copy.topic: want the addressee's, %s, have %s", quote(topic), quote(o.Topic))
	case !ValidName(o.Source) || !ValidName(o.Target):
		return fmt.Errorf("copy.source and copy.target: want cluster names, have %s and %s", quote(o.Source), quote(o.Target))
	case o.Run && o.TargetTopicID == "":
		return errors.New("copy.target_topic_id: a copy that runs needs the target topic's id")
	case o.Recopies < 0:
		return fmt.Errorf("copy.recopies: want a number from 0, have %d", o.Recopies)
	}
	for i, l := range o.Losses {
		if err := l.validate(fmt.Sprintf("copy.losses[%d]", i)); err != nil {
			return err
		}
	}
	if err := validTopics(o.Topic, o.TargetTopic, o.Partitions); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return validOffsets("copy.verify", o.Verify)
}

func (o PoolOrder) validate() error {
	for i, r := range o.Rates {
		if err := r.validate(fmt.Sprintf("pool.rates[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func validTopics(topic, target string, partitions int32) error {
	if !ValidTopic(topic) || !ValidTopic(target) || partitions <= 0 {
		return fmt.Errorf("want Kafka topic names and at least one partition, have %s, %s and %d", quote(topic), quote(target), partitions)
	}
	return nil
}
