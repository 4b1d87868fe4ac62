package realkafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ACL allows or denies a user an operation. It takes effect only in a cluster with Options.ACLs, where whatever is not
// allowed is denied.
type ACL struct {
	User      string // user name, or "*" for everyone
	Deny      bool
	Operation kmsg.ACLOperation
	Resource  kmsg.ACLResourceType
	Name      string // of the topic, group or transactional id, or "*"; "kafka-cluster" for the cluster
	Prefixed  bool   // Name is a prefix
}

func (a ACL) pattern() kmsg.ACLResourcePatternType {
	if a.Prefixed {
		return kmsg.ACLResourcePatternTypePrefixed
	}
	return kmsg.ACLResourcePatternTypeLiteral
}

func (a ACL) permission() kmsg.ACLPermissionType {
	if a.Deny {
		return kmsg.ACLPermissionTypeDeny
	}
	return kmsg.ACLPermissionTypeAllow
}

// CreateACL creates an ACL and returns when every running broker knows it.
func (c *Cluster) CreateACL(ctx context.Context, a ACL) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap(Internal)...))
	if err != nil {
		return err
	}
	defer client.Close()
	entry := kmsg.NewCreateACLsRequestCreation()
	entry.ResourceType, entry.ResourceName, entry.ResourcePatternType = a.Resource, a.Name, a.pattern()
	entry.Principal, entry.Host = "User:"+a.User, "*"
	entry.Operation, entry.PermissionType = a.Operation, a.permission()
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, entry)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("realkafka: create ACL %+v: %w", a, err)
	}
	if err := kerr.ErrorForCode(resp.Results[0].ErrorCode); err != nil {
		return fmt.Errorf("realkafka: create ACL %+v: %w", a, err)
	}
	return c.waitACL(ctx, a)
}

func (c *Cluster) waitACL(ctx context.Context, a ACL) error {
	for _, b := range c.brokers {
		if b.running() == nil {
			continue
		}
		if err := c.waitBrokerACL(ctx, b, a); err != nil {
			return fmt.Errorf("realkafka: wait until broker %d knows ACL %+v: %w", b.id, a, err)
		}
	}
	return nil
}

func (c *Cluster) waitBrokerACL(ctx context.Context, b *broker, a ACL) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses(c.ports[b.id-1:b.id], Internal)...))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		resp, err := client.SeedBrokers()[0].Request(ctx, a.filter())
		if err != nil {
			return err
		}
		found := resp.(*kmsg.DescribeACLsResponse)
		if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
			return err
		}
		if len(found.Resources) > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// filter asks for exactly this ACL.
func (a ACL) filter() *kmsg.DescribeACLsRequest {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourceName, req.ResourcePatternType = a.Resource, &a.Name, a.pattern()
	req.Principal, req.Host = kmsg.StringPtr("User:"+a.User), kmsg.StringPtr("*")
	req.Operation, req.PermissionType = a.Operation, a.permission()
	return req
}
