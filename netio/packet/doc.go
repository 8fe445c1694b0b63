// Package packet is the codec: one table describes each protocol, and from it
// come decoding, building, changing, matching, replying and printing.
//
// A [Proto] is a table of [Field] rows in wire order. A [Registry] knows which
// protocol follows which. A [Packet] is bytes plus the layers found in them;
// fields are read from the bytes when asked, so a decoded packet costs the
// walk over its headers and nothing more:
//
//	reg := packet.Builtin()
//	var p packet.Packet
//	reg.Decode(&p, frame, reg.Proto("eth"))
//	if i := p.Find(reg.Proto("tcp"), 0); i >= 0 {
//		sport, _ := p.Uint(i, reg.Proto("tcp").Field("sport"))
//	}
//
// A built packet is the same thing with one addition: every layer remembers
// which fields were told. What was told is kept, however wrong; what was not
// is worked out by [Packet.Finish]: lengths, counts, checksums, the number of
// the next protocol, the sender's own addresses. A received packet has every
// field told.
//
// # Adding a protocol
//
// One file with one table: a Proto value, registered from init by [Register].
// The rows say name, kind, width, constants and the section of the RFC; Over
// says where the protocol is found; Auto says what is worked out. Hooks
// (Reply, Answers, Check, Summary) are there for what a table cannot say.
//
// The package does no I/O and imports nothing of this project.
package packet
