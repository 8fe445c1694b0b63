package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestDownloadOfJoinedSegments downloads 3 MB through scenarios that pass frames
// on. Between namespaces the kernel hands over segments by the dozen, joined to
// frames that are longer than the MTU.
func TestDownloadOfJoinedSegments(t *testing.T) {
	page := strings.Repeat("0123456789abcdef", 3<<20/16)
	serve := func(t *testing.T, namespace, network string) (port string) {
		l := listenIn(t, namespace, network)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, page)
		})}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
		_, port, _ = net.SplitHostPort(l.Addr().String())
		return port
	}
	download := func(t *testing.T, n *network, r *running, host, port string) {
		t.Helper()
		if got := n.tool("curl", "-gsS", "--max-time", "30", "http://"+host+":"+port+"/"); got != page {
			t.Errorf("the page has %d bytes, want %d:\n%s", len(got), len(page), r.said())
		}
	}
	quiet := func(t *testing.T, r *running) {
		t.Helper()
		r.stop()
		if said := r.said(); strings.Contains(said, "send:") {
			t.Errorf("frames could not be sent:\n%s", said)
		}
	}

	t.Run("router", func(t *testing.T) {
		n := newNetwork(t)
		far := n.addFar()
		for _, args := range []string{
			"-n " + far + " addr add " + farV4 + "/24 dev veth0",
			"-n " + far + " addr add " + farV6 + "/64 dev veth0 nodad",
			"-n " + far + " route add default via " + farGateV4,
			"-n " + far + " route add default via " + farGateV6,
			"-n " + n.peer + " route add default via " + nearGateV4,
			"-n " + n.peer + " route add default via " + nearGateV6,
		} {
			ip(t, args)
		}
		r := n.start("routing between", "-i", "a=veth0", "-i", "b=veth1", "scenarios/router.js", "--",
			nearGateV4+"/24", farGateV4+"/24", nearGateV6+"/64", farGateV6+"/64")
		port := serve(t, far, "tcp")
		download(t, n, r, farV4, port)
		download(t, n, r, "["+farV6+"]", port)
		quiet(t, r)
	})
	t.Run("flaky", func(t *testing.T) {
		n := newNetwork(t)
		far := n.addFar()
		ip(t, "-n "+far+" addr add "+hostV4+"/24 dev veth0")
		ip(t, "-n "+far+" addr add "+hostV6+"/64 dev veth0 nodad")
		r := n.start("bridging", "-i", "a=veth0", "-i", "b=veth1", "scenarios/flaky.js")
		port := serve(t, far, "tcp")
		download(t, n, r, hostV4, port)
		download(t, n, r, "["+hostV6+"]", port)
		quiet(t, r)
	})
}
