// Package batch reads, judges, rewrites and builds Kafka record batches of format version 2 (magic 2), the unit in
// which brokers store, serve and accept records. It is pure: bytes in, bytes out.
//
// Layout (big endian; KIP-98; org.apache.kafka.common.record.DefaultRecordBatch):
//
//	 0 base offset int64           21 attributes int16        51 producer epoch int16
//	 8 length int32 (from 12 on)   23 last offset delta int32 53 base sequence int32
//	12 leader epoch int32          27 base timestamp int64    57 record count int32
//	16 magic int8                  35 max timestamp int64     61 records, compressed as one block
//	17 CRC32C uint32 (from 21 on)  43 producer id int64
//
//	attributes: bits 0–2 codec | 3 LogAppendTime | 4 transactional | 5 control | 6 base timestamp is a delete horizon
//
// What a broker accepts at produce, measured on 2.8, 3.9 and 4.3: base offset 0; record count = last offset delta + 1,
// so no holes; a right CRC; no control flag; no transactional flag outside a transaction. Bytes from 16 on are then
// stored as they were sent, if the max timestamp is right and the topic's compression.type is producer.
//
// The loop of a copier: Split a fetch response into batches, Classify each, then Rewrite and send it, or Records +
// Encode and send the pieces, or skip it.
//
// Messages of formats 0 and 1, which brokers before 3.0 write where message.format.version asks for them, are refused: no
// version of Fetch converts them upwards. What real brokers serve of each class, and what becomes of it, is kept in
// testdata/classes (see package testkit/realkafka/classes).
//
// A Batch is a byte slice. Accessors of one that is too short return zeros; Check says whether it is whole.
package batch
