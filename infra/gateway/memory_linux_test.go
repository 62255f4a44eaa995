package gateway

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestIdleMemory measures what an idle TCP client costs a gateway, sockets of the kernel aside, and checks that it is one
// goroutine at most. For a person LMQGATE_TEST_MEMORY is the number of clients, LMQGATE_TEST_SUBSCRIBE=1 gives each a
// subscription, and LMQGATE_TEST_MESSAGES says how many one more client publishes then, to see what GOGC costs.
func TestIdleMemory(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("LMQGATE_TEST_MEMORY"))
	if n == 0 {
		n = 200
	}
	g := start(t, load(t))
	becomes(t, g, http.StatusOK)
	addr := g.TCPAddr().(*net.TCPAddr)
	warm := open(t, addr, 0, 50)
	before := usage()
	fds := open(t, addr, 50, n)
	settle(t, g, 50+n)
	after := usage()
	t.Logf("%d idle clients: heap %d B, stack %d B, goroutines %.2f each; resident %.1f KiB each",
		n, (after.heap-before.heap)/n, (after.stack-before.stack)/n, float64(after.goroutines-before.goroutines)/float64(n),
		float64(after.resident-before.resident)/1024/float64(n))
	more := after.goroutines - before.goroutines
	for deadline := time.Now().Add(patience); more > n+5 && time.Now().Before(deadline); runtime.Gosched() { // the gateway's own come and go
		more = runtime.NumGoroutine() - before.goroutines
	}
	if more > n+5 {
		t.Errorf("%d idle clients have %d goroutines", n, more)
	}
	if messages, _ := strconv.Atoi(os.Getenv("LMQGATE_TEST_MESSAGES")); messages > 0 {
		cpu, cycles := work(t, g, messages)
		t.Logf("%d messages of QoS 1: %.1f us of CPU each, %d collections", messages, float64(cpu.Microseconds())/float64(messages), cycles)
	}
	runtime.KeepAlive(warm)
	runtime.KeepAlive(fds)
}

type used struct{ heap, stack, goroutines, resident int }

// usage is taken after the garbage collector had a few goes, which shrink stacks too.
func usage() used {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used{int(m.HeapAlloc), int(m.StackInuse), runtime.NumGoroutine(), resident()}
}

// resident is the process's resident memory in bytes.
func resident() int {
	b, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}

// open connects clients over bare file descriptors, which cost this process nothing on the Go side.
func open(t *testing.T, addr *net.TCPAddr, from, n int) []int {
	fds := make([]int, 0, n)
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	})
	var to syscall.SockaddrInet4
	to.Port = addr.Port
	copy(to.Addr[:], addr.IP.To4())
	subscribe := os.Getenv("LMQGATE_TEST_SUBSCRIBE") != ""
	for i := range n {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err == nil {
			err = syscall.Connect(fd, &to)
		}
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		b, _ := connect(fmt.Sprint("idle-", from+i), 3600).Append(nil, packet.V5)
		if subscribe {
			b, _ = (&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: fmt.Sprint("idle/", from+i)}}}).Append(b, packet.V5)
		}
		if _, err := syscall.Write(fd, b); err != nil {
			t.Fatal(err)
		}
		var buf [512]byte
		if _, err := syscall.Read(fd, buf[:]); err != nil { // CONNACK, and maybe SUBACK
			t.Fatal(err)
		}
	}
	return fds
}

// settle waits until the gateway counts n clients.
func settle(t *testing.T, g *Gateway, n int) {
	for deadline := time.Now().Add(patience); g.clients.Len() < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d clients", g.clients.Len(), n)
		}
		runtime.Gosched()
	}
}

// work publishes messages, 64 at a time, and returns the CPU time of the process and the number of collections.
func work(t *testing.T, g *Gateway, messages int) (time.Duration, uint32) {
	c, _ := dial(t, g, connect("busy", 0))
	before, cycles := cpu(), collections()
	payload := make([]byte, 256)
	for sent, acked := 0, 0; acked < messages; {
		for ; sent < messages && sent < acked+64; sent++ {
			c.send(&packet.Publish{Topic: fmt.Sprint("load/", sent%8), QoS: 1, PacketID: uint16(sent%60000 + 1), Payload: payload})
		}
		if _, ok := c.next().(*packet.Puback); !ok {
			t.Fatal("no PUBACK")
		}
		acked++
	}
	return cpu() - before, collections() - cycles
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}
