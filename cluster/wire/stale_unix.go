//go:build unix

package wire

import (
	"net"
	"syscall"
)

// dead says whether the other side has closed an idle connection, which a broker does when it stops or after
// connections.max.idle.ms. Nothing is taken off the socket.
func dead(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err == syscall.ECONNRESET || err == syscall.EPIPE
		return true // do not wait for the socket to become readable
	})
	return err != nil || gone
}
