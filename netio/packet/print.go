package packet

// Errors lists the problems met while decoding: truncated headers, lengths
// that do not fit, bad checksums, malformed options. Empty for a good packet.
func (p *Packet) Errors() []string { return nil }

// Quoted decodes the packet that an ICMP or ICMPv6 error quotes; nil for
// anything else.
func (p *Packet) Quoted() *Packet { return nil }

// Flow is a key that both directions of one conversation share.
func (p *Packet) Flow() string { return "" }

// Summary is one line, as in a packet list.
func (p *Packet) Summary() string { return "" }

// Show is every layer and field, indented.
func (p *Packet) Show() string { return "" }

// Hexdump is the frame in hex and ASCII, sixteen bytes a line.
func (p *Packet) Hexdump() string { return "" }

// Object is the packet as toJSON gives it, apart from the interface's name:
// { time, length, layers, payload, quoted, errors }, bytes as { hex }.
func (p *Packet) Object(iface string) Fields { return nil }

// FromObject builds a packet from what Object gave.
func FromObject(reg *Registry, obj Fields) (*Packet, error) { return nil, nil }
