package workload

import "fmt"

// Plant is a fault that the workload commits once, on purpose, to prove that the oracle sees it.
type Plant uint8

// The faults. The first three are a Generator's, the last two a Handler's.
const (
	PlantNone        Plant = iota
	PlantLoss              // a record is journalled as acknowledged and never sent
	PlantDuplicate         // a record is sent twice
	PlantReorder           // a record is sent after its successor of the same key
	PlantReprocess         // a record is handled twice
	PlantUnprocessed       // a record is consumed and not handled
)

// String returns the fault's name.
func (p Plant) String() string {
	switch p {
	case PlantNone:
		return "none"
	case PlantLoss:
		return "loss"
	case PlantDuplicate:
		return "duplicate"
	case PlantReorder:
		return "reorder"
	case PlantReprocess:
		return "reprocess"
	case PlantUnprocessed:
		return "unprocessed"
	}
	return fmt.Sprintf("plant %d", uint8(p))
}
