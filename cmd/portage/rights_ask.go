package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// asker tests what we may do on a cluster. Nothing is changed: brokers tell what is
// allowed on resources that are there, and validate the creation of topics that
// are not.
type asker struct{ *cluster.Client }

func (c asker) right(resource string) right { return right{Cluster: c.Name(), Resource: resource} }

// test tests the cluster itself, then topics and groups by name. The error is what
// could not be asked at all.
func (c asker) test(ctx context.Context, t tests) ([]right, error) {
	answer, err := c.metadata(ctx, sorted(t.topics))
	if err != nil {
		return nil, err
	}
	topics, absent := c.topics(answer, t.topics)
	created, err := c.create(ctx, absent, t.topics)
	if err != nil {
		return topics, err
	}
	here := c.right("cluster").judge(allowed(answer.AuthorizedOperations), t.cluster)
	if answer.Version >= topicIDs {
		writable := func(r right) bool { return r.Result == rightAllowed && slices.Contains(t.topics[r.name()], "Write") }
		here = here.idempotent(slices.ContainsFunc(topics, writable), len(absent) > 0)
	}
	groups, err := c.groups(ctx, t.groups)
	return slices.Concat([]right{here}, topics, created, groups), err
}

// topicIDs is the version of Metadata that came with Kafka 2.8; later ones do not
// tell of the cluster any more.
const topicIDs = 10

func (c asker) metadata(ctx context.Context, topics []string) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
	req.Topics = make([]kmsg.MetadataRequestTopic, len(topics)) // none, not all, where there are none
	for i, name := range topics {
		req.Topics[i] = kmsg.NewMetadataRequestTopic()
		req.Topics[i].Topic = &name
	}
	return cluster.Do[*kmsg.MetadataResponse](ctx, c.Client, req, cluster.AtMost(topicIDs))
}

// topics judges those that are there and lists those that are not.
func (c asker) topics(answer *kmsg.MetadataResponse, needed map[string][]string) (out []right, absent []string) {
	for _, t := range answer.Topics {
		if t.Topic == nil {
			continue
		}
		r := c.right("topic " + *t.Topic)
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case err == nil:
			out = append(out, r.judge(allowed(t.AuthorizedOperations), needed[*t.Topic]))
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			absent = append(absent, *t.Topic)
		default:
			out = append(out, r.refused(err, kerr.TopicAuthorizationFailed))
		}
	}
	return out, absent
}

// groups judges groups, which need not be there.
func (c asker) groups(ctx context.Context, needed map[string][]string) (out []right, err error) {
	for _, name := range sorted(needed) {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups, req.IncludeAuthorizedOperations = []string{name}, true
		// Version 6 has an error for groups that are not there.
		resp, err := cluster.Do[*kmsg.DescribeGroupsResponse](ctx, c.Client, req, cluster.OnGroup(name), cluster.AtMost(5))
		r := c.right("group " + name)
		switch {
		case errors.Is(err, cluster.ErrUnauthorized): // of the look-up of its coordinator
			out = append(out, r.lacking([]string{"Describe"}, unseen))
		case err != nil:
			return out, fmt.Errorf("test the rights on group %q: %w", name, err)
		case len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0:
			out = append(out, r.refused(groupError(resp), kerr.GroupAuthorizationFailed))
		default:
			out = append(out, r.judge(allowed(resp.Groups[0].AuthorizedOperations), needed[name]))
		}
	}
	return out, nil
}

func groupError(resp *kmsg.DescribeGroupsResponse) error {
	if len(resp.Groups) != 1 {
		return fmt.Errorf("the broker answers for %d groups", len(resp.Groups))
	}
	return kerr.ErrorForCode(resp.Groups[0].ErrorCode)
}

// Limits of a validation.
const (
	validatedAtOnce = 100
	validateWithin  = 10 * time.Second
)

// create tests whether topics that are not there may be created.
func (c asker) create(ctx context.Context, absent []string, needed map[string][]string) (out []right, err error) {
	absent = slices.DeleteFunc(absent, func(name string) bool {
		if slices.Contains(needed[name], "Create") {
			return false
		}
		out = append(out, right{Cluster: c.Name(), Resource: "topic " + name, Result: rightUnknown, Detail: "the topic is not there"})
		return true
	})
	for some := range slices.Chunk(absent, validatedAtOnce) {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.ValidateOnly, req.TimeoutMillis = true, int32(validateWithin.Milliseconds())
		for _, name := range some {
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = name, 1, 1
			req.Topics = append(req.Topics, t)
		}
		resp, err := cluster.Do[*kmsg.CreateTopicsResponse](ctx, c.Client, req, cluster.OnController())
		if err != nil {
			return out, fmt.Errorf("test the right to create %s: %w", some[0], err)
		}
		for _, t := range resp.Topics {
			out = append(out, c.right("topic "+t.Topic).creatable(kerr.ErrorForCode(t.ErrorCode)))
		}
	}
	return out, nil
}
