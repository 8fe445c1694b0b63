package packet

// ReplyContext is what a protocol's Reply hook works on: the request, and
// the answer as far as it stands.
type ReplyContext struct {
	Req *Packet
	I   int // the layer of Req that is answered
	Out *Packet
	J   int // the layer of Out
	Env *Env
}

// Reply makes the answer that the packet's protocols call for, with changes
// laid over it. env is the interface it leaves by. The answer is built into
// the packet given, whose buffers are reused; nil makes a new one. It is
// finished, and can be changed.
func (p *Packet) Reply(env *Env, changes []Change, into *Packet) (*Packet, error) { return nil, nil }

// Answers reports whether p answers req: its layers are the answers to
// req's, from the outside in. An ICMP error that quotes req answers it.
func (p *Packet) Answers(req *Packet) bool { return false }

// ErrorOptions are what an ICMP error tells beside its type.
type ErrorOptions struct {
	Code    Value // number or name; nil: 0
	MTU     Value
	Gateway Value
	Src     Value // address to send it from; nil: the interface's
}

// Error makes the ICMP or ICMPv6 error about p, quoting it. kind is one of
// unreachable, timeExceeded, parameterProblem, packetTooBig, redirect. It
// returns nil where RFC 1122 section 3.2.2 or RFC 4443 section 2.4(e) forbid one.
func (p *Packet) Error(env *Env, kind string, o ErrorOptions) (*Packet, error) { return nil, nil }
