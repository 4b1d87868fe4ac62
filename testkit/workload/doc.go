// Package workload drives realistic load with a Kafka client of its own (franz-go), sharing no code with the product, and
// keeps a journal of what was acknowledged and what was handled. Package oracle judges a migration by the journals and by
// the bytes in the clusters.
//
// # Parts
//
//   - Generator makes records that say who they are: run, producer, key, and a number that rises by one per producer, topic
//     and key, under a checksum over key, value and headers. Identify reads that back from the bytes alone.
//   - Producer sends a Generator's records without the SDK: any codec, transactions with commits and aborts, tombstones,
//     a given rate. A producer that uses the SDK calls Generator.Next, sends, and reports Generator.Acked.
//   - Handler is what a consumer does with a record: take a while, and journal it. An SDK consumer calls Handler.Handle;
//     Consumer is a plain group member that does.
//   - Journal appends entries to a file as JSON lines, one write per entry and one file per process, so that a killed
//     process loses nothing it wrote. ReadFiles gives the entries of all processes of one machine back.
//
// # Cheating
//
// A Plant makes a Generator or a Handler cheat once: lose an acknowledged record, send one twice, swap two, handle one
// twice, leave one out. Tests plant a fault and demand that the oracle names that one and no other.
//
// # Bytes of a value
//
//	'w' 'l' 1 · uvarint length and bytes of run, producer, key · uvarint number · filler · CRC-32C (4 bytes, big endian)
//
// The checksum covers everything before it and all headers in order. A record with a null key has the identity key "". A
// tombstone has no value: the same bytes, without filler, stand in the header named HeaderName.
//
// Times are nanoseconds of the wall clock at the journal's start plus monotonic time since: comparable between processes of
// one machine unless somebody sets its clock between their starts.
package workload
