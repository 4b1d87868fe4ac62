package events

import (
	"fmt"
	"strconv"
	"strings"
)

// CopyKey names one partition of one topic of one migration, in the offsets
// and progress topics and in the workers' share-out.
type CopyKey struct {
	Migration string
	Topic     string // on the source
	Partition int32
}

// String joins the key's parts with slashes.
func (k CopyKey) String() string {
	return k.Migration + "/" + k.Topic + "/" + strconv.Itoa(int(k.Partition))
}

// ControlPartition is the partition of portage.offsets and portage.progress
// that holds the key.
func (k CopyKey) ControlPartition() int32 { return ControlPartition(k.String()) }

// ParseCopyKey reads what String wrote.
func ParseCopyKey(s string) (CopyKey, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return CopyKey{}, fmt.Errorf("copy key %q: want migration/topic/partition", s)
	}
	if !ValidName(parts[0]) || !ValidTopic(parts[1]) {
		return CopyKey{}, fmt.Errorf("copy key %q: want the names of a migration and of a topic, have %q and %q", s, parts[0], parts[1])
	}
	p, ok := digits(parts[2], 32)
	if !ok {
		return CopyKey{}, fmt.Errorf("copy key %q: partition %q is no number from 0", s, parts[2])
	}
	return CopyKey{Migration: parts[0], Topic: parts[1], Partition: int32(p)}, nil
}

// Claim records, before its first use, the lineage under which an owner writes
// one target partition. Its record key is CopyKey/claim/OWNER-EPOCH/NONCE;
// Claim.Key builds it. A claim is void if one of the same owner epoch precedes
// it.
type Claim struct {
	// OwnerEpoch numbers the owners of the partition from 0; each claims the one
	// above the last that counts. Unlike the producer epoch it never starts again.
	OwnerEpoch int32 `json:"owner_epoch"`
	// ProducerID and ProducerEpoch are written in every batch of this owner; each
	// owner raises the producer epoch by one and starts at sequence 0, so brokers
	// refuse the former owner (error 47). The last producer epoch is followed by
	// a fresh producer id.
	ProducerID    int64  `json:"producer_id"`
	ProducerEpoch int16  `json:"producer_epoch"`
	Owner         string `json:"owner"`
	// Nonce repeats the key's, so that the owner knows its own record.
	Nonce string `json:"nonce"`
	// Recopies is that of the order obeyed, see [CopyOrder].
	Recopies int32 `json:"recopies,omitempty"`
}

// Block is a stretch of the offset map of one partition, published by one
// owner. Its record key is CopyKey/OWNER-EPOCH.NUMBER: an owner overwrites only
// its own blocks, so a late zombie cannot take a successor's away.
type Block struct {
	// OwnerEpoch, ProducerID and ProducerEpoch are those of the owner's claim.
	OwnerEpoch    int32 `json:"owner_epoch"`
	ProducerID    int64 `json:"producer_id"`
	ProducerEpoch int16 `json:"producer_epoch"`
	// Number counts the owner's blocks from 0; a block grows until it is full
	// and is then never written again.
	Number int `json:"number"`
	// Runs are the packed runs of fsm/offsetmap.
	Runs []byte `json:"runs"`
	// Watermark is the next source offset that is not copied yet; everything
	// below it is in the map or is a gap of it.
	Watermark int64 `json:"watermark"`
	// TargetEnd is the target offset after the owner's last batch.
	TargetEnd int64 `json:"target_end"`
	// Sequence is the next sequence number of the lineage.
	Sequence int32 `json:"sequence"`
	// SourceEpochs is one above the leader epoch of the source batch that was
	// read last, 0 if none was: the next owner asks where that epoch ended, for
	// an unclean election may have removed what was copied.
	SourceEpochs int32 `json:"source_epochs,omitempty"`
	// Recopies is that of the order obeyed, see [CopyOrder].
	Recopies int32 `json:"recopies,omitempty"`
}

// OffsetsKey is the key of a record of portage.offsets.
type OffsetsKey struct {
	Copy CopyKey
	// Claim is true for a claim, with its Nonce; otherwise Number is a block's.
	Claim      bool
	OwnerEpoch int32
	Nonce      string
	Number     int
}

// String joins the key's parts with slashes.
func (k OffsetsKey) String() string {
	epoch := strconv.Itoa(int(k.OwnerEpoch))
	if k.Claim {
		return k.Copy.String() + "/claim/" + epoch + "/" + k.Nonce
	}
	return k.Copy.String() + "/" + epoch + "." + strconv.Itoa(k.Number)
}

// ParseOffsetsKey reads a record key of portage.offsets.
func ParseOffsetsKey(s string) (OffsetsKey, error) {
	bad := func() (OffsetsKey, error) {
		return OffsetsKey{}, fmt.Errorf("offsets key %q: want migration/topic/partition/owner-epoch.block or …/claim/owner-epoch/nonce", s)
	}
	parts := strings.Split(s, "/")
	if len(parts) != 4 && len(parts) != 6 {
		return bad()
	}
	copyKey, err := ParseCopyKey(strings.Join(parts[:3], "/"))
	if err != nil {
		return bad()
	}
	if len(parts) == 6 {
		epoch, ok := digits(parts[4], 32)
		if !ok || parts[3] != "claim" || parts[5] == "" {
			return bad()
		}
		return OffsetsKey{Copy: copyKey, Claim: true, OwnerEpoch: int32(epoch), Nonce: parts[5]}, nil
	}
	left, right, _ := strings.Cut(parts[3], ".")
	epoch, ok1 := digits(left, 32)
	number, ok2 := digits(right, 32)
	if !ok1 || !ok2 {
		return bad()
	}
	return OffsetsKey{Copy: copyKey, OwnerEpoch: int32(epoch), Number: int(number)}, nil
}

// Progress is a worker's latest report on one partition. It is telemetry: it
// never decides anything by itself.
type Progress struct {
	Worker string `json:"worker"`
	// Watermark is the next source offset that is not copied yet, HighWatermark
	// the source's as last read.
	Watermark     int64 `json:"watermark"`
	HighWatermark int64 `json:"high_watermark"`
	// Records and Bytes were copied by this worker since it owns the partition.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// AtMillis is the worker's clock.
	AtMillis int64 `json:"at_ms"`
}
