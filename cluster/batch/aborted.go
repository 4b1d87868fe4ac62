package batch

// Aborted is one aborted transaction as a read-committed fetch reports it: the records of ProducerID from First on,
// up to that producer's next abort marker, must not be delivered.
type Aborted struct{ ProducerID, First int64 }
