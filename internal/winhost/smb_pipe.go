package winhost

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gpreach/gpreach/internal/winhost/logon"
)

// pipePatient is how long a read or a write waits for a pipe.
const pipePatient = 10 * time.Second

// A pipeEnd is an open pipe, at whose other end an RPC server serves. It is read message
// by message.
type pipeEnd struct {
	net.Conn
	rest []byte // of the message that was read last
}

// create opens a pipe, section 3.3.5.9.
func (v *smbConn) create(name []byte) (status uint32, body []byte) {
	switch {
	case v.Open != 0:
		return v.Open, nil
	case !strings.EqualFold(strings.TrimPrefix(logon.FromUTF16(name), `\`), "eventlog"):
		return nameNotFound, nil
	case len(v.files) == mostFiles:
		return deniedStatus, nil
	}
	id := uint64(v.Host.number())
	here, there := pair(&net.TCPAddr{}, &net.TCPAddr{Port: smbPort}, 0)
	v.files[id] = &pipeEnd{Conn: here}
	allowed := v.Host.rightsOf(v.logon.User())&OpenPipe != 0
	go func() {
		defer there.Close()
		v.Host.RPC(v.Host.eventLogPipe(allowed)).Serve(there)
	}()
	v.Host.count(func(l *Left) { l.Files++ })
	w := &writer{order: binary.LittleEndian}
	w.bytes(octets("5900 00 00 01000000")...)
	w.bytes(make([]byte, 4*8+8+8)...) // times, sizes
	w.u32(0x80, 0, uint32(id), 0, uint32(id), 0, 0, 0)
	return 0, w.b
}

// file returns the open file whose identifier is in a request's body.
func (v *smbConn) file(m []byte, at int) (*pipeEnd, uint64) {
	if at += smb2HeaderLen; at+16 > len(m) {
		return nil, 0
	}
	id := binary.LittleEndian.Uint64(m[at:])
	return v.files[id], id
}

func (v *smbConn) closeFile(m []byte, at int) (status uint32, body []byte) {
	f, id := v.file(m, at)
	if f == nil {
		return fileClosed, nil
	}
	v.drop(f, id)
	return 0, append(octets("3c00"), make([]byte, 58)...)
}

// drop closes a file, of which nothing is left then.
func (v *smbConn) drop(f *pipeEnd, id uint64) {
	f.Close()
	delete(v.files, id)
	v.Host.count(func(l *Left) { l.Files-- })
}

// write hands a message to the RPC server, section 3.3.5.13. A client that does not read
// what the server has answered to earlier ones loses the file.
func (v *smbConn) write(m []byte) (status uint32, body []byte) {
	f, id := v.file(m, 16)
	data := field(m, 2, 4)
	if f == nil || data == nil {
		return fileClosed, nil
	}
	_ = f.SetWriteDeadline(time.Now().Add(pipePatient))
	if _, err := f.Write(data); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			v.drop(f, id)
		}
		return pipeStatus(err), nil
	}
	w := &writer{order: binary.LittleEndian}
	w.u16(17, 0)
	w.u32(uint32(len(data)), 0, 0)
	return 0, w.b
}

// read returns a message of the RPC server's, or as much of it as the client has room
// for, section 3.3.5.12. The next read returns the rest.
func (v *smbConn) read(m []byte) (status uint32, body []byte) {
	f, _ := v.file(m, 16)
	if f == nil {
		return fileClosed, nil
	}
	if len(f.rest) == 0 {
		message := make([]byte, maxSMB)
		_ = f.SetReadDeadline(time.Now().Add(pipePatient))
		n, err := f.Read(message)
		if err != nil {
			return pipeStatus(err), nil
		}
		f.rest = message[:n]
	}
	n := min(len(f.rest), int(min(binary.LittleEndian.Uint32(m[smb2HeaderLen+4:]), maxSMB/2)))
	w := &writer{order: binary.LittleEndian}
	w.u16(17)
	w.bytes(smb2HeaderLen+16, 0)
	w.u32(uint32(n), 0, 0)
	w.bytes(f.rest[:n]...)
	if f.rest = f.rest[n:]; len(f.rest) > 0 {
		return bufferOverflow, w.b
	}
	return 0, w.b
}

// pipeStatus returns the status of an error at a pipe.
func pipeStatus(err error) uint32 {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ioTimeout
	}
	return pipeBroken
}
