// Package offsetmap is the exact correspondence between the offsets of one source partition and one target
// partition: pure arithmetic, no I/O, no clock.
//
// A copied stretch over which source and target offsets differ by a constant is a [Run]. Whatever is not in a
// run was skipped on purpose (control records, aborted transactions, compaction holes, loss that a person
// accepted) and is a gap. A dense topic costs one run, however long it is.
//
//	source   begin          gap        gap   watermark
//	offsets  |---- run 0 ----|  |-run 1-|     |        not yet copied …
//	          \               \  \       \    /
//	target   |---- run 0 ----|-run 1-|-------          not yet written by the copy …
//	offsets  begin                   target end
//
// # The loop
//
// The owner of a partition starts a map with [New] at the offsets where its copy begins, then calls [Map.Append]
// for every stretch that the target has acknowledged and [Map.Skip] for every stretch that it left out, always in
// source order. Append demands that a stretch starts at the watermark, so a batch that was forgotten is an error
// and never a silent gap. It publishes the map in blocks ([Block]); a block is itself a map, begun where the
// former one ended, packed by [Map.Pack]. Everyone else unpacks the blocks, joins them with [Merge] and asks
// [Map.Translate] or [Map.Inverse].
//
// # Positions
//
// A position is the offset of the next record to read, as a consumer group commits it. It is translated so that
// no record is skipped and none is read twice while the copier is the only writer of the target:
//
//	inside a run             its image                                        [Image]
//	in a gap                 the start of the next run                        [Gap]
//	at the frontier          the end of the other side                        [Frontier]
//	beyond the frontier      [NotYetError]: wait for the copy, never guess
//	below where copying      the begin of the other side, if the log start shows
//	began                    that those records are deleted                   [Deleted], else [BelowError]
//
// The frontier is the watermark on the source side and the end of the last run on the target side; a gap that
// nothing follows yet counts as the frontier, for the next copied record will be written at the target end.
//
// # Bytes
//
// Pack writes version 1: the byte 1, then unsigned varints (encoding/binary, shortest form only):
//
//	source begin · target begin · number of runs
//	per run: source gap since the former run · target gap since the former run · count − 1
//	watermark − end of the last run
//
// Every map has exactly one encoding: Unpack refuses anything Pack would not have written (another version, long
// varints, runs that should have been merged, offsets beyond int64, trailing bytes).
//
// A Map is not safe for concurrent use while somebody appends; Translate, Inverse and Pack only read.
package offsetmap
