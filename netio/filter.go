package netio

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// Filter is a compiled pcap filter expression. It is immutable, and safe for
// concurrent use.
type Filter struct {
	expr string
	raw  []bpf.RawInstruction
	prog []instruction
}

// CompileFilter compiles a pcap filter expression (see pcap-filter(7)) for
// frames of a link type; an empty one matches everything. An expression that
// is not valid gives an error that wraps [ErrFilter] and says what is wrong
// with it. With cgo libpcap compiles; without it, a compiler of our own that
// knows the common primitives and says so of any other.
func CompileFilter(expr string, lt LinkType, snaplen int) (*Filter, error) {
	if snaplen <= 0 {
		snaplen = MaxFrame
	}
	raw, err := compileExpression(expr, lt, snaplen)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrFilter, expr, err)
	}
	prog, err := loadProgram(raw)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrFilter, expr, err)
	}
	return &Filter{expr: expr, raw: raw, prog: prog}, nil
}

// String returns the expression.
func (f *Filter) String() string { return f.expr }

// Raw returns the program as the kernel takes it. It must not be changed.
func (f *Filter) Raw() []bpf.RawInstruction { return f.raw }

// Match says whether the filter accepts a frame that was captured whole.
func (f *Filter) Match(frame []byte) bool { return run(f.prog, frame) != 0 }

// instruction is one classic BPF instruction. The jumps are to indexes, not
// distances.
type instruction struct {
	op     uint16
	jt, jf uint16
	k      uint32
}

// Opcodes of classic BPF, as in the BSD paper and <linux/bpf_common.h>.
const (
	opLdW    = 0x20 // A = P[k:4]
	opLdH    = 0x28
	opLdB    = 0x30
	opLdWInd = 0x40 // A = P[X+k:4]
	opLdHInd = 0x48
	opLdBInd = 0x50
	opLdLen  = 0x80
	opLdImm  = 0x00
	opLdMem  = 0x60
	opLdxLen = 0x81
	opLdxImm = 0x01
	opLdxMem = 0x61
	opLdxMsh = 0xb1 // X = 4 * (P[k] & 15)
	opSt     = 0x02
	opStx    = 0x03
	opJa     = 0x05
	opJeqK   = 0x15
	opJgtK   = 0x25
	opJgeK   = 0x35
	opJsetK  = 0x45
	opJeqX   = 0x1d
	opJgtX   = 0x2d
	opJgeX   = 0x3d
	opJsetX  = 0x4d
	opNeg    = 0x84
	opRetK   = 0x06
	opRetA   = 0x16
	opTax    = 0x07
	opTxa    = 0x87

	opAlu   = 0x04 // with an operation below; +8 takes X for the operand
	aluX    = 0x08
	aluAdd  = 0x00
	aluSub  = 0x10
	aluMul  = 0x20
	aluDiv  = 0x30
	aluOr   = 0x40
	aluAnd  = 0x50
	aluLsh  = 0x60
	aluRsh  = 0x70
	aluMod  = 0x90
	aluXor  = 0xa0
	memSize = 16
)

// loadProgram checks a program as the kernel does: it jumps forward and inside,
// ends by a return, and touches scratch memory that exists. Such a program
// always ends.
func loadProgram(raw []bpf.RawInstruction) ([]instruction, error) {
	if len(raw) == 0 || len(raw) > 4096 {
		return nil, fmt.Errorf("a program of %d instructions; 1 to 4096 can run", len(raw))
	}
	prog := make([]instruction, len(raw))
	for i, r := range raw {
		in := instruction{op: r.Op, k: r.K}
		next := uint64(i) + 1
		switch r.Op {
		case opLdW, opLdH, opLdB, opLdWInd, opLdHInd, opLdBInd, opLdLen, opLdImm, opLdxLen, opLdxImm, opLdxMsh,
			opNeg, opTax, opTxa:
		case opLdMem, opLdxMem, opSt, opStx:
			if r.K >= memSize {
				return nil, fmt.Errorf("instruction %d: scratch memory %d; there are %d cells", i, r.K, memSize)
			}
		case opJa:
			if next+uint64(r.K) >= uint64(len(raw)) {
				return nil, fmt.Errorf("instruction %d jumps out of the program", i)
			}
			in.jt = uint16(next + uint64(r.K))
		case opJeqK, opJgtK, opJgeK, opJsetK, opJeqX, opJgtX, opJgeX, opJsetX:
			if next+uint64(max(r.Jt, r.Jf)) >= uint64(len(raw)) {
				return nil, fmt.Errorf("instruction %d jumps out of the program", i)
			}
			in.jt, in.jf = uint16(next)+uint16(r.Jt), uint16(next)+uint16(r.Jf)
		case opRetK, opRetA:
		default:
			operation := r.Op &^ aluX
			known := operation&7 == opAlu && (operation&0xf0 <= aluRsh || operation&0xf0 == aluMod || operation&0xf0 == aluXor) && operation&^0xf7 == 0
			if !known {
				return nil, fmt.Errorf("instruction %d: unknown operation %#x", i, r.Op)
			}
			if r.Op&aluX == 0 && r.K == 0 && (operation&0xf0 == aluDiv || operation&0xf0 == aluMod) {
				return nil, fmt.Errorf("instruction %d divides by zero", i)
			}
		}
		prog[i] = in
	}
	if last := raw[len(raw)-1].Op; last != opRetK && last != opRetA {
		return nil, fmt.Errorf("a program that does not end by a return")
	}
	return prog, nil
}

// run interprets a program that loadProgram has checked: a load beyond the
// frame, and a division by zero, reject it. One loop over a flat array beat
// closures and x/net's bpf.VM: see BenchmarkFilter.
func run(prog []instruction, p []byte) uint32 {
	var a, x uint32
	var mem [memSize]uint32
	n := uint64(len(p))
	for pc := 0; pc < len(prog); pc++ {
		in := &prog[pc]
		switch in.op {
		case opLdH:
			if uint64(in.k)+2 > n {
				return 0
			}
			a = uint32(binary.BigEndian.Uint16(p[in.k:]))
		case opJeqK:
			if a == in.k {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opLdB:
			if uint64(in.k) >= n {
				return 0
			}
			a = uint32(p[in.k])
		case opLdW:
			if uint64(in.k)+4 > n {
				return 0
			}
			a = binary.BigEndian.Uint32(p[in.k:])
		case opRetK:
			return in.k
		case opJsetK:
			if a&in.k != 0 {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opLdxMsh:
			if uint64(in.k) >= n {
				return 0
			}
			x = uint32(p[in.k]&15) * 4
		case opLdHInd:
			// The kernel's address is 32 bits wide and wraps round.
			at := uint64(x + in.k)
			if at+2 > n {
				return 0
			}
			a = uint32(binary.BigEndian.Uint16(p[at:]))
		case opLdWInd:
			at := uint64(x + in.k)
			if at+4 > n {
				return 0
			}
			a = binary.BigEndian.Uint32(p[at:])
		case opLdBInd:
			at := uint64(x + in.k)
			if at >= n {
				return 0
			}
			a = uint32(p[at])
		case opJgtK:
			if a > in.k {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opJgeK:
			if a >= in.k {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opJa:
			pc = int(in.jt) - 1
		case opJeqX:
			if a == x {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opJgtX:
			if a > x {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opJgeX:
			if a >= x {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opJsetX:
			if a&x != 0 {
				pc = int(in.jt) - 1
			} else {
				pc = int(in.jf) - 1
			}
		case opLdLen:
			a = uint32(n)
		case opLdxLen:
			x = uint32(n)
		case opLdImm:
			a = in.k
		case opLdxImm:
			x = in.k
		case opLdMem:
			a = mem[in.k&(memSize-1)]
		case opLdxMem:
			x = mem[in.k&(memSize-1)]
		case opSt:
			mem[in.k&(memSize-1)] = a
		case opStx:
			mem[in.k&(memSize-1)] = x
		case opTax:
			x = a
		case opTxa:
			a = x
		case opNeg:
			a = -a
		case opRetA:
			return a
		default:
			operand := in.k
			if in.op&aluX != 0 {
				operand = x
			}
			switch in.op & 0xf0 {
			case aluAdd:
				a += operand
			case aluSub:
				a -= operand
			case aluMul:
				a *= operand
			case aluDiv:
				if operand == 0 {
					return 0
				}
				a /= operand
			case aluMod:
				if operand == 0 {
					return 0
				}
				a %= operand
			case aluOr:
				a |= operand
			case aluAnd:
				a &= operand
			case aluXor:
				a ^= operand
			case aluLsh:
				a <<= operand
			case aluRsh:
				a >>= operand
			}
		}
	}
	return 0
}
