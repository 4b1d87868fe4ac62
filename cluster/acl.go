package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ACL allows or denies a principal an operation on resources (Kafka's AclBinding). Two are the same exactly if they are ==.
// The numbers are the protocol's; they print as the names of Kafka's tools (READ, TOPIC …).
type ACL struct {
	// ResourceType is what the ACL is about: TOPIC, GROUP, CLUSTER …
	ResourceType kmsg.ACLResourceType
	// Name is the resource's name, "*" for all of the type; with a prefixed Pattern how their names begin.
	Name string
	// Pattern says how Name is meant: LITERAL or PREFIXED.
	Pattern kmsg.ACLResourcePatternType
	// Principal is whom it is about: "User:alice", "User:*" for everyone.
	Principal string
	// Host is the address that the principal comes from, "*" for all.
	Host string
	// Operation is READ, WRITE, ALL …
	Operation kmsg.ACLOperation
	// Permission is ALLOW or DENY.
	Permission kmsg.ACLPermissionType
}

// String shows the ACL in one line, for messages.
func (a ACL) String() string {
	return fmt.Sprintf("%s %s %s on %s %s (%s) from %s", a.Permission, a.Principal, a.Operation, a.ResourceType, a.Name, a.Pattern, a.Host)
}

// compare orders ACLs: literal before prefixed, then by the rest.
func (a ACL) compare(b ACL) int {
	return cmp.Or(cmp.Compare(a.ResourceType, b.ResourceType), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Permission, b.Permission))
}

// withPatterns: the versions of the ACL APIs that have pattern types (KIP-290, Kafka 2.0). One below would read every
// ACL as literal and, worse, create a prefixed one as such.
func withPatterns() wire.Range { return wire.Range{Min: 1, Max: wire.AnyVersion().Max} }

// DescribeTopicACLs returns, sorted, the ACLs that apply to a topic: those for its name, those for all topics (Name "*")
// and the prefixed ones that its name begins with. A cluster without an authorizer is an ErrNoAuthorizer, one before
// Kafka 2.0 an ErrUnsupported.
func (c *Client) DescribeTopicACLs(ctx context.Context, topic string) ([]ACL, error) {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourceName, req.ResourcePatternType = kmsg.ACLResourceTypeTopic, &topic, kmsg.ACLResourcePatternTypeMatch
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	resp, err := c.send(ctx, -1, req, withPatterns())
	if err != nil {
		return nil, err
	}
	r := resp.(*kmsg.DescribeACLsResponse)
	if r.ErrorCode != 0 {
		return nil, c.refused(r.ErrorCode, failure{api: "DescribeACLs", broker: -1, kind: topicResource, name: topic, message: deref(r.ErrorMessage)})
	}
	var acls []ACL
	for _, on := range r.Resources {
		for _, a := range on.ACLs {
			acls = append(acls, ACL{on.ResourceType, on.ResourceName, on.ResourcePatternType, a.Principal, a.Host, a.Operation, a.PermissionType})
		}
	}
	slices.SortFunc(acls, ACL.compare)
	return acls, nil
}

// CreateACLs creates ACLs; those that exist are left as they are. Brokers learn of them one after the other, so each may
// not show, and not count, for a moment. If some are refused the others are created nevertheless; the error holds one
// *Error for each reason. No authorizer and releases before Kafka 2.0 are errors as for DescribeTopicACLs.
func (c *Client) CreateACLs(ctx context.Context, acls []ACL) error {
	if len(acls) == 0 {
		return nil
	}
	req := kmsg.NewPtrCreateACLsRequest()
	for _, a := range acls {
		one := kmsg.NewCreateACLsRequestCreation()
		one.ResourceType, one.ResourceName, one.ResourcePatternType = a.ResourceType, a.Name, a.Pattern
		one.Principal, one.Host, one.Operation, one.PermissionType = a.Principal, a.Host, a.Operation, a.Permission
		req.Creations = append(req.Creations, one)
	}
	resp, err := c.send(ctx, -1, req, withPatterns())
	if err != nil {
		return err
	}
	results := resp.(*kmsg.CreateACLsResponse).Results
	if len(results) != len(acls) {
		return orMissing(nil, "CreateACLs")
	}
	return c.aclVerdict(acls, results)
}

// aclVerdict makes an error of each code that is in results, about the first ACL that got it.
func (c *Client) aclVerdict(acls []ACL, results []kmsg.CreateACLsResponseResult) error {
	refused := map[int16]int{} // how many, by code
	for _, r := range results {
		refused[r.ErrorCode]++
	}
	var errs []error
	for i, r := range results {
		n := refused[r.ErrorCode]
		if r.ErrorCode == 0 || n == 0 {
			continue
		}
		refused[r.ErrorCode] = 0
		about := failure{api: "CreateACLs", broker: -1, kind: "ACL", name: acls[i].String(), message: deref(r.ErrorMessage)}
		if n > 1 {
			about.kind = fmt.Sprintf("ACL (the first of %d)", n)
		}
		errs = append(errs, c.refused(r.ErrorCode, about))
	}
	return errors.Join(errs...)
}
