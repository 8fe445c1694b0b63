//go:build !linux && !cgo && !windows

package netio

import "fmt"

// pcapMissing says why there is no capture at all in this build.
func pcapMissing() error {
	return fmt.Errorf("capture by libpcap is %w: it was built with CGO_ENABLED=0", ErrNotBuilt)
}
