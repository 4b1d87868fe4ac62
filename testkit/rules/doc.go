// Package rules holds the repository to its own rules: who may import whom, what is pure, what is documented, how long things
// may be. Its test parses every source file of the tree with go/parser and fails with file, line, what was found, the
// limit, and the way out.
//
// Sources are read through package os on purpose: Go's test cache then notices a changed, new or removed file, which it does
// not when a test asks `go list`.
//
// # Exceptions
//
// A rule that knows exceptions names a marker. The marker stands on the line concerned or on the line above it, and says why:
//
//	for id := range members { //rules:ordered summed up, order does not show
//
//	//rules:ordered     a range over a map, in a pure package or a core, whose order cannot show
//	//rules:flat        a function over the limit that is one flat switch or table (above the function)
//	//rules:impossible  a panic that no input can reach
//	//rules:sleep       a sleep outside tests
//
// A marker without a reason, one that excuses nothing, and one that does not exist are violations themselves.
//
// # Reading on
//
// Tables (imports.go) are data: to change the architecture, change a row and the page that explains it. Each rule is a
// function from Tree to violations; the tests plant one violation per rule and expect exactly that.
package rules
