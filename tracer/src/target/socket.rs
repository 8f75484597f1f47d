//! What a file descriptor of the process is: for sockets both addresses, for files the path. Reads /proc only.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::process::Process;

/// A descriptor in words: `tcp 127.0.0.1:80 from 127.0.0.1:5000`, `tcp listening on [::]:80`, `unix /run/x`, a path.
pub fn describe(process: &Process, descriptor: u32) -> Option<String> {
    let link = fs::read_link(process.directory().join(format!("fd/{descriptor}"))).ok()?;
    let link = link.to_string_lossy().into_owned();
    let Some(inode) = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) else { return Some(link) };
    let net = process.directory().join("net");
    for (file, name) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        let text = fs::read_to_string(net.join(file)).unwrap_or_default();
        if let Some(found) = text.lines().skip(1).find_map(|line| internet(line, inode, name)) {
            return Some(found);
        }
    }
    let text = fs::read_to_string(net.join("unix")).unwrap_or_default();
    let path = text.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.get(6) == Some(&inode)).then(|| fields.get(7).copied().unwrap_or("(unnamed)").to_owned())
    });
    Some(path.map_or_else(|| "socket".to_owned(), |path| format!("unix {path}")))
}

/// A line of /proc/net/tcp, if it is about that inode.
fn internet(line: &str, inode: &str, protocol: &str) -> Option<String> {
    /// `TCP_LISTEN` of the kernel's include/net/tcp_states.h.
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if fields.get(9) != Some(&inode) {
        return None;
    }
    let (local, remote) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    Some(match *fields.get(3)? {
        LISTENING => format!("{protocol} listening on {local}"),
        _ if remote.port() == 0 => format!("{protocol} {local}"),
        _ => format!("{protocol} {local} with {remote}"),
    })
}

/// `0100007F:0050`: each four bytes as the machine holds them.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_le_bytes());
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            let ip = Ipv6Addr::from(bytes);
            ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(address("0100007F:0050"), "127.0.0.1:80".parse().ok());
        assert_eq!(address("00000000000000000000000001000000:1F90"), "[::1]:8080".parse().ok());
        assert_eq!(address("0000000000000000FFFF00000100007F:0016"), "127.0.0.1:22".parse().ok());
        assert_eq!(address("nonsense"), None);
    }

    #[test]
    fn own_sockets_are_told_with_both_ends() {
        let process = Process::open(std::process::id()).expect("the test's own process can be read");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let client = TcpStream::connect(address).expect("it listens");
        let own = client.local_addr().expect("it is connected");
        let of = |descriptor: i32| describe(&process, descriptor.cast_unsigned());
        assert_eq!(of(listener.as_raw_fd()), Some(format!("tcp listening on {address}")));
        assert_eq!(of(client.as_raw_fd()), Some(format!("tcp {own} with {address}")));
        assert_eq!(of(1_000_000), None);
    }
}
