package packet

// Pattern is what to look for: an object of protocols, each with the tests of
// its fields. It is made of Go values the way a script's pattern is made of
// JavaScript values:
//
//	Fields{{"tcp", Fields{{"flags", "SA"}, {"sport", uint64(80)}}}}
//
// A value means equal, []any one of, Fields a nested pattern; true and false
// in a protocol's place mean present and absent. What JavaScript says with
// other objects are the types below.
type (
	// Range holds when Min <= value <= Max; nil means no bound. Numbers,
	// addresses and MACs have an order.
	Range struct{ Min, Max any }
	// Not holds when its test does not.
	Not struct{ Test any }
	// HasFlags holds when all letters of Has are set and none of Not.
	HasFlags struct{ Has, Not string }
	// Regexp tests the text of a value.
	Regexp interface{ MatchString(string) bool }
	// Pred is a predicate on a field's Value.
	Pred func(v Value) bool
	// PredPacket is a predicate on the packet.
	PredPacket func(p *Packet) bool
	// AnyOf and AllOf combine patterns; nested packet patterns: Fields, Not, PredPacket, a protocol's name.
	AnyOf []any
	AllOf []any
)

// Matcher is a compiled pattern.
type Matcher struct{}

// Compile compiles a pattern: Fields, a protocol's name (string), Not, AnyOf,
// AllOf or PredPacket. The error is a *FieldError.
func Compile(reg *Registry, pattern any) (*Matcher, error) { return &Matcher{}, nil }

// Match reports whether the packet matches. It does not allocate for fixed
// fields.
func (m *Matcher) Match(p *Packet) bool { return false }
