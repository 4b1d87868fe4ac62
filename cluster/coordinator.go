package cluster

import (
	"context"
	"time"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	codeLoading        = 14
	codeNoCoordinator  = 15
	codeNotCoordinator = 16
)

// callCoordinator sends req to the coordinator of group and repeats it while that loads or moves.
func (c *Client) callCoordinator(ctx context.Context, group string, req kmsg.Request, want wire.Range) (kmsg.Response, error) {
	end := time.Now().Add(c.cfg.RequestTimeout)
	for attempt := 0; ; attempt++ {
		resp, err := c.tryCoordinator(ctx, group, req, want)
		code, coded := Code(err)
		if !coded || !moving(code) || time.Now().After(end) || !pause(ctx, attempt) {
			return resp, err
		}
	}
}

func moving(code int16) bool {
	return code == codeLoading || code == codeNoCoordinator || code == codeNotCoordinator
}

// tryCoordinator is one attempt; a coordinator that loads or has moved is an error.
func (c *Client) tryCoordinator(ctx context.Context, group string, req kmsg.Request, want wire.Range) (kmsg.Response, error) {
	broker, err := c.Coordinator(ctx, group)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, broker, req, want)
	if err != nil {
		c.forgetCoordinator(group) // the broker may be gone for good
		return nil, err
	}
	code := coordinatorCode(resp)
	if !moving(code) {
		return resp, nil
	}
	if code != codeLoading {
		c.forgetCoordinator(group)
	}
	return nil, c.refused(code, failure{api: kmsg.NameForKey(req.Key()), broker: broker, kind: groupResource, name: group})
}

// Coordinator returns the broker that coordinates group. It is remembered until a group request fails there. The first
// look-up in a cluster's life makes the brokers create __consumer_offsets.
func (c *Client) Coordinator(ctx context.Context, group string) (int32, error) {
	c.mu.Lock()
	id, ok := c.coordinators[group]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorType = group, 0
	resp, err := c.send(ctx, -1, req, wire.Up(3)) // 4 answers for many keys at a time
	if err != nil {
		return 0, err
	}
	r := resp.(*kmsg.FindCoordinatorResponse)
	if r.ErrorCode != 0 {
		return 0, c.refused(r.ErrorCode, failure{api: "FindCoordinator", broker: -1, kind: groupResource, name: group, message: deref(r.ErrorMessage)})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coordinators[group] = r.NodeID
	return r.NodeID, nil
}

func (c *Client) forgetCoordinator(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coordinators, group)
}

// coordinatorCode returns 14, 15 or 16 if the response says so, in whichever field its API has for it, else 0.
func coordinatorCode(resp kmsg.Response) int16 {
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		return r.ErrorCode
	case *kmsg.SyncGroupResponse:
		return r.ErrorCode
	case *kmsg.HeartbeatResponse:
		return r.ErrorCode
	case *kmsg.LeaveGroupResponse:
		return r.ErrorCode
	case *kmsg.ConsumerGroupHeartbeatResponse:
		return r.ErrorCode
	case *kmsg.OffsetDeleteResponse:
		return r.ErrorCode
	case *kmsg.OffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if moving(p.ErrorCode) {
					return p.ErrorCode
				}
			}
		}
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if moving(p.ErrorCode) {
					return p.ErrorCode
				}
			}
		}
	case *kmsg.OffsetFetchResponse:
		return offsetFetchCode(r)
	case *kmsg.DescribeGroupsResponse:
		for _, g := range r.Groups {
			if moving(g.ErrorCode) {
				return g.ErrorCode
			}
		}
	case *kmsg.ConsumerGroupDescribeResponse:
		for _, g := range r.Groups {
			if moving(g.ErrorCode) {
				return g.ErrorCode
			}
		}
	case *kmsg.DeleteGroupsResponse:
		for _, g := range r.Groups {
			if moving(g.ErrorCode) {
				return g.ErrorCode
			}
		}
	}
	return 0
}

// offsetFetchCode: up to version 1 the partitions carry the code, then the response, from 8 on each group.
func offsetFetchCode(r *kmsg.OffsetFetchResponse) int16 {
	if r.ErrorCode != 0 {
		return r.ErrorCode
	}
	for _, g := range r.Groups {
		if moving(g.ErrorCode) {
			return g.ErrorCode
		}
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if moving(p.ErrorCode) {
				return p.ErrorCode
			}
		}
	}
	return 0
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
