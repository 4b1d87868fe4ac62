// Package verify compares two topics record by record: key, value, headers in
// their order, and timestamp. It reads both sides through its own decoder,
// which shares no code with the copier, so that a fault in one shows in the
// other.
//
//	res, err := verify.Compare(ctx, verify.Request{
//		Source: verify.Side{Client: from, Topic: "orders", Partition: 3},
//		Target: verify.Side{Client: to, Topic: "orders", Partition: 3},
//		Map:    &m,     // nil: compare in order, whatever the offsets
//		UpTo:   120_000, // source offset
//	})
//
// With an offset map every committed source record is looked for at exactly its
// image, and every target record must be the image of something (unless others
// write there, too). Without one the committed records of both sides are
// compared in order up to the first difference.
//
// Each side's records are hashed in order into one SHA-256; equal digests mean
// equal sequences. Nothing is kept in memory but a page of each side.
package verify
