use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

/// What a header says, and how much of the bytes is left for the protocol.
fn read(bytes: &[u8]) -> (Result<Option<SocketAddr>, ProxyError>, usize) {
    let mut rest = bytes;
    let runtime = Builder::new_current_thread().build().unwrap();
    let read = runtime.block_on(read_header(&mut rest));
    (read, rest.len())
}

fn binary(family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[0x21, family], &length, rest].concat()
}

#[test]
fn both_versions_name_the_client_and_leave_the_request_alone() {
    let request = b"GET / HTTP/1.1\r\n";
    let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 0, 80];
    let with_more = [&addresses[..], &[0x04, 0, 1, 0]].concat();
    for header in [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\n".to_vec(),
        binary(0x11, &addresses),
        binary(0x11, &with_more),
    ] {
        let (said, left) = read(&[&header[..], request].concat());
        assert_eq!(said.unwrap(), Some("192.0.2.7:56324".parse().unwrap()));
        assert_eq!(left, request.len());
    }
    let (said, _) = read(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
    assert_eq!(said.unwrap(), Some("[2001:db8::1]:1".parse().unwrap()));
}

#[test]
fn a_connection_of_the_proxys_own_has_no_other_client() {
    assert_eq!(read(b"PROXY UNKNOWN\r\n").0.unwrap(), None);
    assert_eq!(read(b"PROXY UNKNOWN ff:: ff:: 1 2\r\n").0.unwrap(), None);
    let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
    assert_eq!(read(&local).0.unwrap(), None);
}

#[test]
fn anything_else_is_refused() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.7 10.0.0.1 80\r\n",
        b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n",
        b"PROXY TCP4 192.0",
        &binary(0x11, &[1, 2, 3, 4, 5]),
    ] {
        assert!(read(bytes).0.is_err(), "{:?}", String::from_utf8_lossy(bytes));
    }
    let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 500]].concat();
    assert!(matches!(read(&endless).0, Err(ProxyError::Malformed)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        start in prop_oneof![Just(SIGNATURE.to_vec()), Just(b"PROXY TCP4 ".to_vec()), Just(vec![])],
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = read(&[start, rest].concat());
    }

    #[test]
    fn every_address_survives_the_way(ip: IpAddr, port: u16) {
        let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let header = format!("PROXY {family} {ip} {ip} {port} 80\r\n");
        prop_assert_eq!(read(header.as_bytes()).0.unwrap(), Some(SocketAddr::new(ip, port)));
    }
}
