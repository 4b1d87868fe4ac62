package group

import "github.com/twmb/franz-go/pkg/kmsg"

// version returns the version in which a request is sent. They are fixed, not negotiated, so that every broker shows the same
// behaviour, which is the one that was measured on 2.8, 3.9 and 4.3; all of those have them. Static members need JoinGroup 5,
// stable offsets OffsetFetch 7; OffsetCommit and OffsetFetch 10 would name topics by id.
func version(r kmsg.Request) int16 {
	switch r.(type) {
	case *kmsg.JoinGroupRequest:
		return 5
	case *kmsg.SyncGroupRequest, *kmsg.HeartbeatRequest, *kmsg.LeaveGroupRequest:
		return 3
	default: // OffsetCommit, OffsetFetch
		return 7
	}
}
