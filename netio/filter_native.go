package netio

import (
	"errors"

	"golang.org/x/net/bpf"
)

func compileNative(expr string, lt LinkType, snaplen int) ([]bpf.RawInstruction, error) {
	return nil, errors.New("not known without libpcap")
}
