package packet

import "testing"

// RFC 9293 section 3.10.7.1: a reset of a segment without ACK acknowledges it,
// one of a segment with ACK takes its number and acknowledges nothing.
func TestReplyReset(t *testing.T) {
	for _, c := range []struct {
		in, ask, flags string
		seq, ack       uint64
	}{
		{"S", "R", "RA", 0, 1001},
		{"S", "RA", "RA", 0, 1001},
		{"A", "R", "R", 77, 0},
		{"SA", "R", "R", 77, 0},
		{"F", "R", "RA", 0, 1001},
	} {
		p := stack(t, "", "eth", nil, "ip", Fields{{"dst", "192.0.2.9"}}, "tcp", Fields{{"flags", c.in}, {"seq", uint64(1000)}, {"ack", uint64(77)}})
		if err := p.Finish(testEnv()); err != nil {
			t.Fatal(err)
		}
		var d Packet
		Builtin().Decode(&d, p.Data, protoEth)
		r, err := d.Reply(testEnv(), []Change{{Proto: protoTCP, Fields: Fields{{"flags", c.ask}}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := r.Find(protoTCP, 0)
		flags, _ := r.Uint(i, protoTCP.Field("flags"))
		seq, _ := r.Uint(i, protoTCP.Field("seq"))
		ack, _ := r.Uint(i, protoTCP.Field("ack"))
		if got := protoTCP.Field("flags").FlagText(flags); got != c.flags || seq != c.seq || ack != c.ack {
			t.Errorf("%s answered by %s: flags %s seq %d ack %d, want %s %d %d", c.in, c.ask, got, seq, ack, c.flags, c.seq, c.ack)
		}
		if e := r.Errors(); len(e) > 0 {
			t.Errorf("%s answered by %s: %v", c.in, c.ask, e)
		}
	}
}
