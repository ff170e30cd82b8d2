package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errInUse says who holds an address, if that is known, and what to do.
func errInUse(address, holder string) error {
	if holder == "" {
		holder = "a process that this one may not look at; perhaps another clockd"
	}
	return fmt.Errorf("address %q is in use by %s: stop that, or choose another address with --listen", address, holder)
}

// describe is a process in words; none for 0.
func describe(pid int) string {
	if pid == 0 {
		return ""
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
}

// tcpHolder says which process listens on an address or on all of the machine. Empty: it is not known, because the
// system has no /proc or the process is another user's.
func tcpHolder(a *net.TCPAddr) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		inode := ""
		for s := bufio.NewScanner(f); inode == "" && s.Scan(); {
			inode = listening(strings.Fields(s.Text()), a)
		}
		_ = f.Close() // it was only read
		if inode != "" {
			return describe(owner("socket:[" + inode + "]"))
		}
	}
	return ""
}

// listening returns the inode of a line of /proc/net/tcp if it is a socket that listens and is in the way of an address.
func listening(fields []string, a *net.TCPAddr) string {
	const local, state, inode, listen = 1, 3, 9, "0A"
	if len(fields) <= inode || fields[state] != listen {
		return ""
	}
	host, port, _ := strings.Cut(fields[local], ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil || int(number) != a.Port {
		return ""
	}
	ip, err := hex.DecodeString(host)
	if err != nil || len(ip)%4 != 0 {
		return ""
	}
	for i := 0; i < len(ip); i += 4 { // words in the byte order of the machine
		binary.BigEndian.PutUint32(ip[i:], binary.NativeEndian.Uint32(ip[i:]))
	}
	if at := net.IP(ip); !at.Equal(a.IP) && !at.IsUnspecified() && !a.IP.IsUnspecified() {
		return ""
	}
	return fields[inode]
}

// owner is a process that has a file open, by what the link in its folder of files says; 0: none is seen.
func owner(link string) int {
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is right
	for _, path := range open {
		if to, err := os.Readlink(path); err == nil && to == link {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2]) // a number, by the pattern
			return pid
		}
	}
	return 0
}
