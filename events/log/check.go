package log

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// Check reads how the control topics are set up. Problems are in the report and
// make the error an [ErrUnfit] that names each with its fix; warnings are in
// the report alone.
func Check(ctx context.Context, c *cluster.Client) (Report, error) {
	topics, err := c.Topics(ctx, topicNames()...)
	if err != nil {
		return Report{}, fmt.Errorf("read the control topics: %w", err)
	}
	brokers, _, err := c.Brokers(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("count the brokers: %w", err)
	}
	var r Report
	for _, s := range specs() {
		t, found := topics[s.name]
		if !found {
			r.Topics = append(r.Topics, TopicReport{Name: s.name, Problems: []Finding{{Topic: s.name, Setting: "the topic", Have: "missing",
				Want: "there", Why: "nothing can be recorded", Fix: "run portage init against this cluster"}}})
			continue
		}
		configs, err := c.TopicConfigs(ctx, s.name)
		if err != nil {
			return r, fmt.Errorf("read the settings of %s: %w", s.name, err)
		}
		r.Topics = append(r.Topics, judge(s, t, configs, len(brokers)))
	}
	return r, r.err()
}

// judge compares a topic with its specification.
func judge(s spec, t cluster.Topic, configs map[string]cluster.ConfigValue, brokers int) TopicReport {
	j := judged{configs: configs, r: TopicReport{Name: s.name}}
	if len(t.Partitions) > 0 {
		j.r.ReplicationFactor = len(t.Partitions[0].Replicas)
	}
	j.partitions(len(t.Partitions), int(s.partitions))
	j.cleanup()
	j.retention()
	j.replication(brokers)
	j.size()
	if want := s.configs["message.timestamp.type"]; want != "" {
		j.same("message.timestamp.type", want, "a writer's clock could move an event in time travel")
	}
	j.unclean()
	return j.r
}

// judged is a topic under judgement.
type judged struct {
	configs map[string]cluster.ConfigValue
	r       TopicReport
}

func (j *judged) problem(setting, have, want, why, fix string) {
	j.r.Problems = append(j.r.Problems, Finding{Topic: j.r.Name, Setting: setting, Have: have, Want: want, Why: why, Fix: fix})
}

func (j *judged) warning(setting, have, want, why, fix string) {
	j.r.Warnings = append(j.r.Warnings, Finding{Topic: j.r.Name, Setting: setting, Have: have, Want: want, Why: why, Fix: fix})
}

// alter is the command that sets a setting.
func (j *judged) alter(setting, value string) string {
	return fmt.Sprintf("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=%s", j.r.Name, setting, value)
}

func (j *judged) partitions(have, want int) {
	if have == want {
		return
	}
	why := "keys are spread over a fixed number of partitions"
	if want == 1 {
		why = "more than one partition has no total order"
	}
	j.problem("the number of partitions", strconv.Itoa(have), strconv.Itoa(want), why,
		"partitions cannot be removed: delete the topic while no migration is under way, then portage init")
}

// cleanup demands compaction and nothing else: "compact,delete" would drop
// facts by their age (retention.ms) or by the size of the log.
func (j *judged) cleanup() {
	const setting = "cleanup.policy"
	have := j.configs[setting].Value
	if have == "compact" {
		return
	}
	why := "the topic would grow without bound"
	if strings.Contains(have, "delete") {
		why = fmt.Sprintf("records are lost after retention.ms=%s or beyond retention.bytes=%s",
			orNone(j.configs["retention.ms"].Value), orNone(j.configs["retention.bytes"].Value))
	}
	j.problem(setting, orNone(have), "compact", why, j.alter(setting, "compact")+", then check with portage replay that nothing is missing yet")
}

// retention warns of limits that come into force with another cleanup policy.
func (j *judged) retention() {
	for _, setting := range []string{"retention.ms", "retention.bytes"} {
		if have := j.configs[setting].Value; have != "-1" && have != "" {
			j.warning(setting, have, "-1", "it deletes records the day cleanup.policy is changed", j.alter(setting, "-1"))
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

func (j *judged) same(setting, want, why string) {
	if have := j.configs[setting].Value; have != want {
		j.problem(setting, orNone(have), want, why, j.alter(setting, want))
	}
}

// replication judges the replication factor and min.insync.replicas.
func (j *judged) replication(brokers int) {
	factor, best := j.r.ReplicationFactor, min(3, brokers)
	if factor < best {
		j.warning("the replication factor", strconv.Itoa(factor), strconv.Itoa(best), "fewer brokers than necessary may be lost",
			"kafka-reassign-partitions.sh with replicas on "+strconv.Itoa(best)+" brokers")
	}
	const setting = "min.insync.replicas"
	have, err := strconv.Atoi(j.configs[setting].Value)
	switch want := strconv.Itoa(insync(factor)); {
	case err != nil:
		// A broker that does not say is judged by what happens.
	case have > factor:
		j.problem(setting, strconv.Itoa(have), want, "no write can ever succeed", j.alter(setting, want))
	case have < insync(factor):
		j.warning(setting, strconv.Itoa(have), want, "an acknowledged event may be on one broker alone", j.alter(setting, want))
	}
}

func (j *judged) size() {
	const setting = "max.message.bytes"
	have, err := strconv.Atoi(j.configs[setting].Value)
	if err == nil && have < batchLimit {
		j.problem(setting, strconv.Itoa(have), strconv.Itoa(batchLimit),
			fmt.Sprintf("an event of up to %d bytes is refused", events.MaxEventSize), j.alter(setting, strconv.Itoa(batchLimit)))
	}
}

func (j *judged) unclean() {
	const setting = "unclean.leader.election.enable"
	if j.configs[setting].Value == "true" {
		j.problem(setting, "true", "false", "a leader that lags would take acknowledged events away", j.alter(setting, "false"))
	}
}
