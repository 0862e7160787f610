//! The header that says who sent a datagram: PROXY protocol, version 2 (HAProxy's `proxy-protocol.txt`), for datagrams.

use std::net::SocketAddr;

/// What each header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2; the connection is somebody else's.
const PROXY: u8 = 0x21;
/// Datagrams of IPv4, and of IPv6.
const DATAGRAMS_V4: u8 = 0x12;
const DATAGRAMS_V6: u8 = 0x22;

/// Appends the header of a datagram from this source to this destination. Where they are not of one family, which
/// happens only where the destination is not known, it names no destination.
pub(super) fn put_header(header: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    header.extend_from_slice(&SIGNATURE);
    header.push(PROXY);
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            header.extend_from_slice(&[DATAGRAMS_V4, 0, 12]);
            header.extend_from_slice(&source.ip().octets());
            header.extend_from_slice(&destination.ip().octets());
        }
        _ => {
            header.extend_from_slice(&[DATAGRAMS_V6, 0, 36]);
            for address in [source, destination] {
                let v6 = match address {
                    SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped(),
                    SocketAddr::V6(v6) => *v6.ip(),
                };
                header.extend_from_slice(&v6.octets());
            }
        }
    }
    header.extend_from_slice(&ports);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_the_protocol_has_it() {
        let mut header = Vec::new();
        put_header(&mut header, "192.0.2.7:258".parse().unwrap(), "198.51.100.1:10000".parse().unwrap());
        let expected =
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a\x21\x12\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x01\x02\x27\x10";
        assert_eq!(header, expected);

        header.clear();
        put_header(&mut header, "[2001:db8::7]:258".parse().unwrap(), "[2001:db8::1]:10000".parse().unwrap());
        assert_eq!(header[12..16], [0x21, 0x22, 0, 36]);
        assert_eq!(header.len(), 16 + 36);
        assert_eq!((header[31], header[47], &header[48..]), (7, 1, &[1, 2, 0x27, 0x10][..]));
    }
}
