//go:build !race

package e2e

// raced says that the tests run with the race detector; the programs are then built with it, too.
const raced = false
