package driver

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// imagesOf are the ACLs that a target topic is to have: those that apply to the
// source topic, each for this topic alone. While the copy is the only writer,
// nobody is allowed what would let him write or delete there.
func imagesOf(source []cluster.ACL, target string, writable bool) []cluster.ACL {
	var out []cluster.ACL
	for _, a := range source {
		if !writable && a.Permission == kmsg.ACLPermissionTypeAllow && !harmless(a.Operation) {
			continue
		}
		a.Name, a.Pattern = target, kmsg.ACLResourcePatternTypeLiteral
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// harmless operations change nothing.
func harmless(o kmsg.ACLOperation) bool {
	switch o {
	case kmsg.ACLOperationRead, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs:
		return true
	}
	return false
}

// missing are the ACLs wanted that are not there.
func missing(wanted, have []cluster.ACL) []cluster.ACL {
	return slices.DeleteFunc(slices.Clone(wanted), func(a cluster.ACL) bool { return slices.Contains(have, a) })
}
