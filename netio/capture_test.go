package netio

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// record is a packet as written, and as read back.
type record struct {
	Data     []byte
	Time     int64
	Length   int
	Iface    int
	Dir      Direction
	Comments []string
}

func readAll(r *Reader) (all []record, err error) {
	for {
		f, m, err := r.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		all = append(all, record{bytes.Clone(f.Data), f.Time, f.Length, m.Interface, m.Direction, m.Comments()})
	}
}

// randomRecords draws packets that a capture file can hold.
func randomRecords(rng *rand.Rand, n, interfaces int, pcap bool) []record {
	all := make([]record, n)
	for i := range all {
		p := record{Data: make([]byte, rng.IntN(2000)), Time: rng.Int64N(math.MaxUint32 * 1e9)}
		if rng.IntN(200) == 0 {
			p.Data = make([]byte, rng.IntN(MaxFrame+1))
		}
		for j := range p.Data {
			p.Data[j] = byte(rng.Uint32())
		}
		p.Length = len(p.Data) + rng.IntN(3)*rng.IntN(10000)
		if !pcap {
			p.Iface, p.Dir = rng.IntN(interfaces), Direction(rng.IntN(3))
			if rng.IntN(4) == 0 {
				p.Comments = []string{strings.Repeat("é", 1+rng.IntN(50))}
			}
		}
		all[i] = p
	}
	return all
}

func write(t testing.TB, o WriterOptions, interfaces []Info, packets []record) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, o)
	for i, info := range interfaces {
		if n := w.AddInterface(info); n != i {
			t.Fatalf("interface %d is number %d", i, n)
		}
	}
	for _, p := range packets {
		if err := w.WritePacket(p.Iface, p.Dir, p.Time, p.Data, p.Length, strings.Join(p.Comments, "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var testInterfaces = []Info{
	{Name: "wire", LinkType: LinkTypeEthernet},
	{Name: "tun0", LinkType: LinkTypeRaw, MAC: MAC{2, 0, 0, 0, 0, 1}},
	{LinkType: LinkTypeSLL2},
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, pcap := range []bool{false, true} {
			interfaces := testInterfaces
			if pcap {
				interfaces = interfaces[:1]
			}
			packets := randomRecords(rng, 50, len(interfaces), pcap)
			file := write(t, WriterOptions{Pcap: pcap, Comment: "a test"}, interfaces, packets)
			if again := write(t, WriterOptions{Pcap: pcap, Comment: "a test"}, interfaces, packets); !bytes.Equal(file, again) {
				t.Fatal("the same calls gave different bytes")
			}
			var zipped bytes.Buffer
			z := gzip.NewWriter(&zipped)
			z.Write(file)
			z.Close()
			for _, src := range []io.Reader{bytes.NewReader(file), &zipped, &stutter{file, rng}} {
				r, err := NewReader(src)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(packets, got); d != "" {
					t.Fatalf("seed %d, pcap %v: %s", seed, pcap, d)
				}
				for i, itf := range r.Interfaces() {
					if itf.LinkType != interfaces[i].LinkType || !pcap && itf.Name != interfaces[i].Name || itf.Resolution != 1e9 {
						t.Errorf("interface %d: %+v", i, itf)
					}
				}
			}
		}
	}
}

// stutter gives a few bytes at a time.
type stutter struct {
	b   []byte
	rng *rand.Rand
}

func (s *stutter) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(len(s.b), 1+s.rng.IntN(3000))])
	s.b = s.b[n:]
	return n, nil
}

// file builds capture files by hand, in either byte order.
type file struct {
	binary.AppendByteOrder
	b []byte
}

func (f *file) u16(v ...uint16) *file {
	for _, v := range v {
		f.b = f.AppendUint16(f.b, v)
	}
	return f
}

func (f *file) u32(v ...uint32) *file {
	for _, v := range v {
		f.b = f.AppendUint32(f.b, v)
	}
	return f
}

func (f *file) text(s string) *file { f.b = append(f.b, s...); return f }

func (f *file) block(kind uint32, body func()) *file {
	at := len(f.b)
	f.u32(kind, 0)
	body()
	n := uint32(len(f.b) - at + 4)
	f.u32(n)
	if f.AppendByteOrder == binary.AppendByteOrder(binary.BigEndian) {
		binary.BigEndian.PutUint32(f.b[at+4:], n)
	} else {
		binary.LittleEndian.PutUint32(f.b[at+4:], n)
	}
	return f
}

func (f *file) section() *file {
	return f.block(blockSection, func() { f.u32(byteOrderMagic).u16(1, 0).u32(0xffffffff, 0xffffffff) })
}

func TestReaderFormats(t *testing.T) {
	const sec = 1_700_000_000
	const usecs = uint64(sec * 1e6)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := func() *file { return &file{AppendByteOrder: order} }
		pcap := func(magic uint32, extra ...uint32) []byte {
			return n().u32(magic).u16(2, 4).u32(0, 0, 65535, 1).u32(sec, 5, 4, 60).u32(extra...).text("abcd").b
		}
		options := func(f *file, list func()) func() {
			return func() {
				f.u16(1, 0).u32(0)
				list()
				f.u16(0, 0)
			}
		}
		packet := func(f *file, id uint32, time uint64) {
			f.block(blockEnhanced, func() { f.u32(id, uint32(time>>32), uint32(time), 4, 60).text("abcd") })
		}
		one := func(ns int64) []record { return []record{{Data: []byte("abcd"), Time: ns, Length: 60}} }

		usec := n().section()
		usec.block(blockInterface, options(usec, func() {}))
		packet(usec, 0, sec*1e6+5)

		msecOffset := n().section()
		msecOffset.block(blockInterface, options(msecOffset, func() {
			msecOffset.u16(optIfTsresol, 1).text("\x03\x00\x00\x00")
			msecOffset.u16(optIfTsoffset, 8)
			msecOffset.b = order.AppendUint64(msecOffset.b, 1000)
		}))
		packet(msecOffset, 0, (sec-1000)*1e3+5)

		binaryUnits := n().section()
		binaryUnits.block(blockInterface, options(binaryUnits, func() { binaryUnits.u16(optIfTsresol, 1).text("\x94\x00\x00\x00") }))
		packet(binaryUnits, 0, sec<<20|1<<19)

		simple := n().section()
		simple.block(blockInterface, options(simple, func() {}))
		simple.block(0x0bad, func() { simple.text("who knows what this is??") })
		packet(simple, 0, sec*1e6)
		simple.block(blockSimple, func() { simple.u32(4).text("wxyz") })
		simple.block(blockPacket, func() { simple.u16(0, 9).u32(0, 7, 4, 4).text("efgh") })

		sections := n().section()
		sections.block(blockInterface, options(sections, func() { sections.u16(optIfName, 1).text("a\x00\x00\x00") }))
		sections.section()
		sections.block(blockInterface, options(sections, func() { sections.u16(optIfName, 1).text("b\x00\x00\x00") }))
		packet(sections, 0, sec*1e6)

		comments := n().section()
		comments.block(blockInterface, options(comments, func() {}))
		comments.block(blockEnhanced, func() {
			comments.u32(0, uint32(usecs>>32), uint32(usecs&0xffffffff), 1, 1).text("x\x00\x00\x00")
			comments.u16(optComment, 3).text("one\x00").u16(optEpbFlags, 4).u32(2).u16(optComment, 4).text("two!").u16(0, 0)
		})

		for _, c := range []struct {
			name string
			file []byte
			want []record
		}{
			{"pcap, microseconds", pcap(pcapMicro), one(sec*1e9 + 5000)},
			{"pcap, nanoseconds", pcap(pcapNano), one(sec*1e9 + 5)},
			{"pcap, Kuznetzov's", pcap(pcapKuznetzov, 0, 0), one(sec*1e9 + 5000)},
			{"pcapng, default resolution", usec.b, one(sec*1e9 + 5000)},
			{"pcapng, milliseconds and an offset", msecOffset.b, one(sec*1e9 + 5e6)},
			{"pcapng, binary resolution", binaryUnits.b, one(sec*1e9 + 5e8)},
			{"pcapng, simple and obsolete packets, an unknown block", simple.b, []record{
				{Data: []byte("abcd"), Time: sec * 1e9, Length: 60},
				{Data: []byte("wxyz"), Time: sec * 1e9, Length: 4},
				{Data: []byte("efgh"), Time: 7000, Length: 4}}},
			{"pcapng, two sections", sections.b, []record{{Data: []byte("abcd"), Time: sec * 1e9, Length: 60, Iface: 1}}},
			{"pcapng, comments and direction", comments.b, []record{
				{Data: []byte("x"), Time: sec * 1e9, Length: 1, Dir: DirectionOut, Comments: []string{"one", "two!"}}}},
		} {
			r, err := NewReader(bytes.NewReader(c.file))
			if err != nil {
				t.Errorf("%s, %v: %v", c.name, order, err)
				continue
			}
			got, err := readAll(r)
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("%s, %v: %v\n%s", c.name, order, err, d)
			}
		}
	}
}

func TestReaderErrors(t *testing.T) {
	le := func() *file { return &file{AppendByteOrder: binary.LittleEndian} }
	good := le().u32(pcapMicro).u16(2, 4).u32(0, 0, 65535, 1)
	for range 16 {
		good.u32(1, 1, 4, 4).text("abcd")
	}
	inRecord := append(slices.Clone(good.b), le().u32(1, 1).b...)
	inData := append(slices.Clone(good.b), le().u32(1, 1, 100, 100).text("ab").b...)
	huge := le().u32(pcapMicro).u16(2, 4).u32(0, 0, 65535, 1).u32(1, 1, 0xfffffff0, 4)
	noInterface := le().section()
	noInterface.block(blockEnhanced, func() { noInterface.u32(3, 0, 0, 4, 4).text("abcd") })
	tooShort := le().section()
	tooShort.block(blockInterface, func() { tooShort.u32(1, 0) })
	tooShort.block(blockEnhanced, func() { tooShort.u32(0, 0, 0, 40, 40).text("abcd") })
	length := le().section().u32(blockEnhanced, 0x7ffffffc, 0)
	odd := le().section().u32(77, 13, 0)
	trailer := le().section().u32(blockInterface, 20, 1, 0, 24)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "not a capture file: it is empty"},
		{"text", []byte("hello, world, this is no capture file"), "not a capture file: it begins with 68656c6c"},
		{"header only in part", good.b[:10], "broken off in the file header at byte 10: unexpected EOF"},
		{"record header", inRecord, "broken off in packet 17 at byte 352: unexpected EOF"},
		{"record data", inData, "broken off in packet 17 at byte 362: unexpected EOF"},
		{"huge record", huge.b, "packet 1, at byte 24: 4294967280 bytes captured, but a frame has at most 262144"},
		{"no interface", noInterface.b, "packet 1, at byte 28: interface 3 is not described; this section has 0"},
		{"packet too long for its block", tooShort.b, "packet 1, at byte 48: 40 bytes captured, but its block has room for 4"},
		{"huge block", length.b, "packet 1, at byte 28: a block of 2147483644 bytes; one of type 6 has at most 1048576"},
		{"odd block", odd.b, "packet 1, at byte 28: a block of type 77 has a length of 13; it has at least 12 bytes, in fours"},
		{"trailer", trailer.b, "packet 1, at byte 28: a block says it has 20 bytes at its start, and 24 at its end"},
		{"gzip", []byte("\x1f\x8bgarbage....."), "compressed file: gzip: invalid header"},
	} {
		r, err := NewReader(bytes.NewReader(c.file))
		if err == nil {
			_, err = readAll(r)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.name, err, c.want)
		}
		if r != nil {
			if _, _, again := r.Next(); again == nil || again.Error() != err.Error() {
				t.Errorf("%s: the call after an error: %v", c.name, again)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, pcap := range []bool{false, true} {
		file := write(f, WriterOptions{Pcap: pcap, Comment: "c"}, testInterfaces[:1], []record{
			{Data: []byte("0123456789"), Time: 5, Length: 10}, {Data: []byte("x"), Time: 6, Length: 10}})
		f.Add(file)
		f.Add(file[:len(file)-3])
		for range 20 {
			bad := bytes.Clone(file)
			bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
			f.Add(bad)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		zipped := len(file) > 1 && file[0] == 0x1f
		for packets := 0; ; packets++ {
			fr, m, err := r.Next()
			if err != nil {
				break
			}
			m.Comments()
			if len(fr.Data) > MaxFrame || fr.Length < len(fr.Data) || m.Interface >= len(r.Interfaces()) {
				t.Fatalf("%d bytes of %d, interface %d of %d", len(fr.Data), fr.Length, m.Interface, len(r.Interfaces()))
			}
			if packets > len(file) && !zipped {
				t.Fatal("more packets than bytes")
			}
			if zipped && packets > 1000 {
				break
			}
		}
		if len(r.buf) > 2*maxBlock {
			t.Fatalf("a buffer of %d bytes for a file of %d", len(r.buf), len(file))
		}
	})
}

func TestFileLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.pcapng")
	packets := []record{
		{Data: numberedFrame(1), Time: 10, Length: 60},
		{Data: numberedFrame(2), Time: 20, Length: 60},
		{Data: []byte("raw"), Time: 30, Length: 3, Iface: 1},
		{Data: numberedFrame(3), Time: 40, Length: 60},
	}
	os.WriteFile(path, write(t, WriterOptions{}, testInterfaces, packets), 0o600)
	l, err := Open("file:"+path, Config{Name: "in", Filter: "ether[17] != 2"})
	if err != nil {
		t.Fatal(err)
	}
	if i := l.Info(); i.Name != "in" || i.Kind != KindFile || i.LinkType != LinkTypeEthernet {
		t.Errorf("%+v", i)
	}
	timed := l.(Timed)
	for _, want := range []int64{10, 40} {
		if f, err := timed.Next(); err != nil || f.Time != want {
			t.Fatal(f, err)
		}
	}
	if _, err := timed.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if n, err := l.Send([][]byte{{1}}); n != 0 || !errors.Is(err, ErrClosed) {
		t.Error(n, err)
	}
	if s := l.Stats(); s.Received != 2 || s.ReceivedBytes != 120 || s.Errors != 1 || s.Lost != 1 {
		t.Errorf("%+v", s) // the refused frame, and the one that is no Ethernet
	}
	l.Close()
	l.Close()
	if _, err := timed.Next(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := Open("file:"+path+".missing", Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// numberedFrame is a broadcast frame with a number.
func numberedFrame(n int) []byte {
	f := make([]byte, 60)
	copy(f, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x0a\x88\xb5")
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

func TestTsharkReads(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("UMPA_TOOLS") == "require" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("skipped: tshark is not installed (UMPA_TOOLS=require makes this a failure)")
	}
	for _, ext := range []string{"pcapng", "pcap"} {
		path := filepath.Join(t.TempDir(), "out."+ext)
		r, err := NewRecorder(path, RecorderOptions{Comment: "section"})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := r.AddInterface(Info{Name: "wire", LinkType: LinkTypeEthernet})
		r.Record(id, DirectionOut, 1_700_000_000_123456789, numberedFrame(1), 60, "first")
		r.Record(id, DirectionIn, 1_700_000_000_123456790, numberedFrame(2), 90, "")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("tshark", "-r", path, "-T", "fields", "-E", "separator=|", "-e", "frame.time_epoch",
			"-e", "frame.len", "-e", "frame.comment", "-e", "frame.packet_flags_direction", "-e", "frame.interface_name", "-e", "eth.type")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := "1700000000.123456789|60|first|0x00000002|wire|0x88b5\n1700000000.123456790|90||0x00000001|wire|0x88b5\n"
		if ext == "pcap" {
			want = "1700000000.123456789|60||||0x88b5\n1700000000.123456790|90||||0x88b5\n"
		}
		if strings.ReplaceAll(string(out), "0x000088b5", "0x88b5") != want { // newer versions print more digits
			t.Errorf("%s: tshark says\n%swant\n%s", ext, out, want)
		}
	}
}

func TestRecorderRotates(t *testing.T) {
	dir := t.TempDir()
	r, err := NewRecorder(filepath.Join(dir, "run.pcapng"), RecorderOptions{RotateSize: 2000, RotateKeep: 3})
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.AddInterface(Info{Name: "wire", LinkType: LinkTypeEthernet})
	if err != nil {
		t.Fatal(err)
	}
	const count = 100
	for i := range count {
		if err := r.Record(id, DirectionIn, int64(i), numberedFrame(i), 60, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if w, lost := r.Counts(); w != count || lost != 0 {
		t.Error(w, lost)
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "run*"))
	if len(paths) != 3 {
		t.Fatal(paths)
	}
	next := -1
	for n := range 20 {
		path := r.fileName(n)
		s, err := os.Stat(path)
		if err != nil {
			continue
		}
		if s.Size() > 2000 {
			t.Errorf("%s has %d bytes", path, s.Size())
		}
		c, err := OpenCapture(path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readAll(c)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if number := int(binary.BigEndian.Uint32(p.Data[14:])); next >= 0 && number != next {
				t.Errorf("packet %d follows %d", number, next-1)
			} else {
				next = number + 1
			}
		}
	}
	if next != count {
		t.Errorf("the last packet is %d", next-1)
	}
}

// A full disk is told once, costs packets that are counted, and leaves a file
// that can be read; recording goes on when there is room again.
func TestRecorderSurvivesFullDisk(t *testing.T) {
	dir := t.TempDir()
	r, err := NewRecorder(filepath.Join(dir, "run.pcapng"), RecorderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := r.AddInterface(Info{LinkType: LinkTypeEthernet})
	if err := r.Record(id, DirectionIn, 1, numberedFrame(0), 60, ""); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	r.w.w = &fullDisk{r.file, 100}
	failures, attempts := 0, 0
	for range 3000 {
		attempts++
		if r.Record(id, DirectionIn, 1, numberedFrame(attempts), 60, "") != nil {
			failures++
		}
	}
	if failures != 1 {
		t.Errorf("%d errors", failures)
	}
	r.retryAt = time.Time{}
	if err := r.Record(id, DirectionIn, 2, numberedFrame(4000), 60, ""); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	written, lost := r.Counts()
	if written != 2 || lost != 3000 {
		t.Errorf("%d written, %d lost", written, lost)
	}
	for n := range 2 {
		c, err := OpenCapture(r.fileName(n))
		if err != nil {
			t.Fatal(err)
		}
		all, err := readAll(c)
		c.Close()
		if err != nil || len(all) != 1 {
			t.Errorf("file %d: %d packets, %v", n, len(all), err)
		}
	}
	if err := r.Record(id, DirectionIn, 2, numberedFrame(4000), 60, ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// fullDisk takes so many bytes more.
type fullDisk struct {
	w    io.Writer
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n, _ := d.w.Write(p[:min(len(p), d.room)])
	d.room -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard, WriterOptions{Pcap: true})
	if err := w.WritePacket(0, 0, 0, nil, 0, ""); err == nil {
		t.Error("an interface that was not added")
	}
	w.AddInterface(Info{LinkType: LinkTypeEthernet})
	raw := w.AddInterface(Info{LinkType: LinkTypeRaw})
	if err := w.WritePacket(raw, 0, 0, nil, 0, ""); err == nil {
		t.Error("a second link type in a pcap file")
	}
	if err := w.WritePacket(0, 0, 0, make([]byte, MaxFrame+1), 0, ""); err == nil {
		t.Error("a frame too long to be read again")
	}
}

// The baseline is gopacket's reader of the same file, without copying.
func BenchmarkReader(b *testing.B) {
	frame := numberedFrame(0)
	packets := make([]record, 100000)
	for i := range packets {
		packets[i] = record{Data: frame, Time: int64(i), Length: 60, Dir: DirectionIn}
	}
	for _, pcap := range []bool{true, false} {
		name := "pcapng"
		if pcap {
			name = "pcap"
		}
		data := write(b, WriterOptions{Pcap: pcap}, testInterfaces[:1], packets)
		path := filepath.Join(b.TempDir(), "in")
		os.WriteFile(path, data, 0o600)
		each := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
		}
		b.Run(name+"/netio", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := OpenCapture(path)
				if err != nil {
					b.Fatal(err)
				}
				for {
					if _, _, err := r.Next(); err != nil {
						break
					}
				}
				r.Close()
			}
			each(b)
		})
		b.Run(name+"/pcapgo", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				var r interface {
					ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
				}
				if pcap {
					r, err = pcapgo.NewReader(f)
				} else {
					r, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
				}
				if err != nil {
					b.Fatal(err)
				}
				for {
					if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
						break
					}
				}
				f.Close()
			}
			each(b)
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	frame := numberedFrame(0)
	w := NewWriter(io.Discard, WriterOptions{})
	w.AddInterface(testInterfaces[0])
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WritePacket(0, DirectionIn, 1, frame, 60, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleWriter() {
	var file bytes.Buffer
	w := NewWriter(&file, WriterOptions{Comment: "one frame"})
	wire := w.AddInterface(Info{Name: "wire", LinkType: LinkTypeEthernet})
	w.WritePacket(wire, DirectionOut, 1_700_000_000e9, make([]byte, 60), 60, "the first")
	w.Flush()

	r, _ := NewReader(&file)
	f, m, _ := r.Next()
	fmt.Println(len(f.Data), m.Direction, m.Comments(), r.Interfaces()[m.Interface].Name)
	// Output: 60 out [the first] wire
}
