//! Addresses and times of the standard library.

use std::net::*;
use std::time::{Duration, Instant, SystemTime};

crate::arguments! {
    ipv4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    ipv6: Ipv6Addr = "2001:db8::8:1".parse().unwrap();
    ipv6_mapped: Ipv6Addr = "::ffff:1.2.3.4".parse().unwrap();
    ip_v4: IpAddr = "10.1.2.3".parse().unwrap();
    ip_v6: IpAddr = "::1".parse().unwrap();
    socket_v4: SocketAddrV4 = "127.0.0.1:80".parse().unwrap();
    socket_v6: SocketAddrV6 = "[::1]:8080".parse().unwrap();
    socket_scoped: SocketAddrV6 = SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, 7);
    socket: SocketAddr = "192.168.0.1:443".parse().unwrap();
    socket_six: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
    option_socket: Option<SocketAddr> = "1.2.3.4:5".parse().ok();
    vec_of_sockets: Vec<SocketAddr> = vec!["1.2.3.4:5".parse().unwrap(), "[::2]:6".parse().unwrap()];
    duration: Duration = Duration::from_millis(1500);
    duration_zero: Duration = Duration::ZERO;
    duration_nanos: Duration = Duration::from_nanos(123);
    duration_micros: Duration = Duration::from_nanos(123_456);
    duration_long: Duration = Duration::new(86_400, 1);
    duration_max: Duration = Duration::MAX;
    option_duration: Option<Duration> = Some(Duration::from_secs(3));
    option_duration_none: Option<Duration> = None;
    instant: Instant = Instant::now();
    system_time: SystemTime = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
    system_time_early: SystemTime = SystemTime::UNIX_EPOCH - Duration::new(1, 500);
}
