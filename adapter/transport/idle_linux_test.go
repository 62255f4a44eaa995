package transport

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What an idle connection holds in this process: heap, stacks, and both as the kernel sees them. The clients are bare
// file descriptors, which hold nothing here. The handler reads with a 512 byte buffer and nothing else.
func BenchmarkIdleWebSocket(b *testing.B) { benchmarkIdle(b, upgradeRequest) }
func BenchmarkIdleTCP(b *testing.B)       { benchmarkIdle(b, "") }

func benchmarkIdle(b *testing.B, greeting string) {
	const clients = 3000
	ready := make(chan struct{})
	s := New(Config{}, func(c *Conn) {
		buf := make([]byte, 512)
		if _, err := c.Read(buf); err != nil { // its CONNECT
			return
		}
		c.Established()
		c.DropHeader()
		ready <- struct{}{}
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	})
	ln := listen(b)
	web := &http.Server{Handler: s}
	if greeting == "" {
		go s.ServeTCP(b.Context(), ln)
	} else {
		go web.Serve(ln)
		defer web.Close()
	}
	before := measure(b)
	fds := make([]int, 0, clients)
	for range clients {
		fds = append(fds, bareClient(b, ln.Addr().(*net.TCPAddr).Port, greeting))
		<-ready
	}
	after := measure(b)
	for b.Loop() {
		s.Len()
	}
	b.ReportMetric((after.heap-before.heap)/clients, "heap-B/conn")
	b.ReportMetric((after.stack-before.stack)/clients, "stack-B/conn")
	b.ReportMetric((after.rss-before.rss)/clients, "rss-B/conn")
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
	s.StopAccepting()
	if err := s.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}

type memory struct{ heap, stack, rss float64 }

func measure(b *testing.B) memory {
	b.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return memory{float64(m.HeapAlloc), float64(m.StackInuse), pages * float64(os.Getpagesize())}
}

// bareClient connects and sends greeting and 20 bytes, over WebSocket as a binary frame.
func bareClient(b *testing.B, port int, greeting string) int {
	b.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	connect := strings.Repeat("x", 20)
	if greeting != "" {
		connect = masked(0x82, connect)
	}
	if _, err := syscall.Write(fd, []byte(greeting+connect)); err != nil {
		b.Fatal(err)
	}
	return fd
}

// The cost of a message in each direction.
func BenchmarkEcho(b *testing.B) {
	for name, size := range map[string]int{"100B": 100, "16KiB": 16 << 10} {
		b.Run(name, func(b *testing.B) {
			s := New(Config{}, echo)
			ln := listen(b)
			web := &http.Server{Handler: s}
			go web.Serve(ln)
			defer web.Close()
			conn := dialTCP(b, ln.Addr().String())
			mustWrite(b, conn, upgradeRequest)
			buf := make([]byte, 1<<16)
			if _, err := conn.Read(buf); err != nil { // the answer
				b.Fatal(err)
			}
			frame := []byte(masked(0x82, strings.Repeat("x", 100)))
			if size > 125 {
				frame = append([]byte{0x82, 0xfe, byte(size >> 8), byte(size), 0, 0, 0, 0}, make([]byte, size)...)
			}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := conn.Write(frame); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < size; { // the echo comes in messages of 4 KiB at most
					n, err := conn.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
			}
			s.AbortAll()
		})
	}
}
