//go:build bench && linux

package bench_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gpreach/gpreach/internal/winhost"
	"github.com/gpreach/gpreach/probe"
)

// concurrency is the default of --concurrency.
const concurrency = 512

// A script is what the yardstick says on a host's ports: the bytes that gpreach
// sends there, a message after the other.
type script struct {
	smb      [][]byte
	mapper   [2][][]byte // for each service
	services [2][][]byte
}

var dynamicPorts = [2]uint16{49667, 49668}

// listen has gpreach ask a host in memory, once for each operation so that
// there is one connection to a port, and writes down what it says. Without
// alive, ServerAlive2 is left out.
func listen(alive bool) script {
	var s script
	at := func(port uint16) string { return netip.AddrPortFrom(netip.MustParseAddr("10.77.0.1"), port).String() }
	for i, op := range []probe.Operation{probe.RSoP, probe.Refresh} {
		network := winhost.NewNetwork(winhost.Client("ws-001.corp.example", netip.MustParseAddr("10.77.0.1")))
		p := prober()
		p.Dial = network.Dial
		p.Probe(context.Background(), probe.Target{Name: "10.77.0.1"}, []probe.Operation{op})
		s.mapper[i] = messages(network.Sent(at(135)))
		if !alive || i > 0 { // one connection of a host asks it
			s.mapper[i] = s.mapper[i][:2]
		}
		s.services[i] = messages(network.Sent(at(dynamicPorts[i])))
		if op == probe.RSoP {
			s.smb = messages(network.Sent(at(445)))
		}
	}
	return s
}

// prober returns what asks on five connections.
func prober() *probe.Prober {
	return &probe.Prober{
		Dial: probe.NewDial(timeout), Timeout: timeout, Deadline: 15 * time.Second,
		SMBPort: 445, MapperPort: 135, NoIdentify: true, NoWMIPort: true,
	}
}

// messages splits what was said on a connection.
func messages(said []byte) [][]byte {
	var all [][]byte
	for len(said) > 0 {
		n := messageLen(said)
		all, said = append(all, said[:n]), said[n:]
	}
	return all
}

const enough = 10 // bytes that tell how long a message is

// messageLen returns the length of a message that begins so: a PDU of RPC, or
// SMB2 over direct TCP, which begins with a zero byte.
func messageLen(begin []byte) int {
	if begin[0] == 0 {
		return 4 + int(binary.BigEndian.Uint32(begin))
	}
	return int(binary.LittleEndian.Uint16(begin[8:]))
}

// say connects, and sends each message when the answer to the one before is in.
func say(d *net.Dialer, to netip.AddrPort, messages [][]byte) error {
	conn, err := d.DialContext(context.Background(), "tcp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetLinger(0) // as gpreach does; it fails on a connection that is gone
	conn.SetDeadline(time.Now().Add(timeout))
	var answer [2048]byte
	for _, m := range messages {
		if _, err := conn.Write(m); err != nil {
			return err
		}
		n, err := io.ReadAtLeast(conn, answer[:], enough)
		if err != nil {
			return err
		}
		if want := messageLen(answer[:]); n < want {
			if _, err := io.ReadFull(conn, answer[n:want]); err != nil {
				return err
			}
		}
	}
	return nil
}

// askHost goes the same ways into a host as gpreach, in the same order.
func (s script) askHost(d *net.Dialer, addr netip.Addr) error {
	var chains sync.WaitGroup
	var errs [len(s.mapper)]error
	for i := range s.mapper {
		chains.Go(func() {
			if errs[i] = say(d, netip.AddrPortFrom(addr, 135), s.mapper[i]); errs[i] == nil {
				errs[i] = say(d, netip.AddrPortFrom(addr, dynamicPorts[i]), s.services[i])
			}
		})
	}
	err := say(d, netip.AddrPortFrom(addr, 445), s.smb)
	chains.Wait()
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	return err
}

// ask asks every host and returns how many answered, and an error of one that
// did not.
func (s script) ask(whom crowd) (answered int, err error) {
	next := make(chan netip.Addr)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			d := &net.Dialer{Timeout: timeout, KeepAlive: -1}
			for addr := range next {
				failed := s.askHost(d, addr)
				mu.Lock()
				if failed != nil {
					err = failed
				} else {
					answered++
				}
				mu.Unlock()
			}
		})
	}
	for addr := range whom.all {
		next <- addr
	}
	close(next)
	workers.Wait()
	return answered, err
}

// runYardstick is the yardstick's process. Its arguments are the number of
// hosts, and whether ServerAlive2 is asked too.
func runYardstick() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("yardstick: want HOSTS ALIVE")
	}
	hosts, err1 := strconv.Atoi(os.Args[1])
	alive, err2 := strconv.ParseBool(os.Args[2])
	if err1 != nil || err2 != nil {
		return fmt.Errorf("yardstick: %q", os.Args[1:])
	}
	if answered, err := listen(alive).ask(crowd{healthy: hosts}); err != nil {
		return fmt.Errorf("yardstick: %d of %d hosts answered: %w", answered, hosts, err)
	}
	return nil
}
