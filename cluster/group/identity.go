package group

import "slices"

// Kind says what sort of process a member is.
type Kind string

// The kinds of members. A member without portage's user data has none (Foreign).
const (
	KindAgent  Kind = "agent"  // a service's consumer
	KindGuard  Kind = "guard"  // keeps a group closed; is never assigned anything
	KindWorker Kind = "worker" // copies records
)

// Identity is what a member tells the others about itself, in the user data of its subscription.
type Identity struct {
	Kind        Kind
	Incarnation string // of the process; the same in every group that it is a member of. Empty for guards: see Guard
	Host        string // for people

	// Wants are the partitions that this process holds on the other cluster, under this cluster's topic names. The portage
	// assignor gives them to it, so that the group there looks as it does here. WantsGeneration is the generation they come
	// from: between two claims the later one counts.
	Wants           Partitions
	WantsGeneration int32

	// Stamp makes two otherwise equal offers differ, so that a rejoin with it moves the broker to rebalance.
	Stamp string
}

// Peer is a member as the leader of a generation sees it.
type Peer struct {
	ID, InstanceID string
	Topics         []string // subscribed to
	Identity                // zero for a foreign member
	Foreign        bool     // no user data of ours
	// Owned is what it was assigned in generation OwnedGeneration (−1: nothing). The member itself says so.
	Owned           Assignment
	OwnedGeneration int32
}

// Assignment is what one member gets in one generation: partitions in a group of consumers, units in a group of workers.
type Assignment struct {
	Partitions Partitions
	Units      []string // ascending
}

// Len counts partitions and units.
func (a Assignment) Len() int { return a.Partitions.Len() + len(a.Units) }

// Equal compares two assignments.
func (a Assignment) Equal(b Assignment) bool {
	return a.Partitions.Equal(b.Partitions) && slices.Equal(a.Units, b.Units)
}

// Inventory is what there is to assign.
type Inventory struct {
	Counts map[string]int32 // number of partitions by topic; a topic that does not exist is absent
	Units  []string
}

// Assign is an assignor: a pure function that shares an inventory among the members of one generation. It must name every
// member that gets something; all members compute the same from the same input, whoever leads.
type Assign func(Inventory, []Peer) map[string]Assignment
