//go:build !linux && (cgo || windows)

package netio

// pcapMissing says why there is no capture at all in this build.
func pcapMissing() error { return nil }
