//go:build !unix

package wire

import "net"

// dead cannot be told here: a request on a dead connection fails instead.
func dead(net.Conn) bool { return false }
