//! Addresses, networks and ranges of `ip("…")`, and finding addresses in text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{KernelError, Result};

/// Shortest texts of an address: `::1` and `1.1.1.1` (which begins with a digit and a dot within four bytes).
const V6_BYTES_MIN: usize = 3;
const V4_HINT_BYTES: usize = 4;

/// Longest text of an address, `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const ADDRESS_BYTES_MAX: usize = 45;

/// Addresses from `first` to `last`, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpMatcher {
    first: IpAddr,
    last: IpAddr,
}

impl IpMatcher {
    /// A single address, `a.b.c.d/n`, or `a-b`.
    pub fn compile(pattern: &str) -> Result<Self> {
        parse_pattern(pattern).ok_or_else(|| KernelError::InvalidRequest(format!("ip: invalid pattern: \"{pattern}\"")))
    }

    fn contains(&self, address: IpAddr) -> bool {
        // Families are never mixed: a mapped IPv6 address is no IPv4 address here, as in Loki.
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Whether an address that lies within stands anywhere in the line.
    pub fn is_match(&self, line: &[u8]) -> bool {
        let mut at = 0;
        while at + V6_BYTES_MIN <= line.len() {
            let rest = &line[at..];
            let length = if begins_like_v4(rest) {
                rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count()
            } else if begins_like_v6(rest) {
                rest.iter().take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count()
            } else {
                at += 1;
                continue;
            };
            if parse_address(&rest[..length]).is_some_and(|address| self.contains(address)) {
                return true;
            }
            at += length.max(1);
        }
        false
    }
}

fn begins_like_v4(text: &[u8]) -> bool {
    text[0].is_ascii_digit() && text.iter().take(V4_HINT_BYTES).skip(1).any(|byte| *byte == b'.')
}

fn begins_like_v6(text: &[u8]) -> bool {
    if text.starts_with(b"::") {
        return true;
    }
    let digits = text.iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    (1..=4).contains(&digits) && text.get(digits) == Some(&b':')
}

fn parse_address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn parse_pattern(pattern: &str) -> Option<IpMatcher> {
    if let Some((network, bits)) = pattern.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let plain =
            !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits.len() == 1 || !bits.starts_with('0'));
        let bits: u32 = if plain { bits.parse().ok()? } else { return None };
        return network_range(network, bits);
    }
    if let Some((first, last)) = pattern.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let valid = first.is_ipv4() == last.is_ipv4() && first <= last;
        return valid.then_some(IpMatcher { first, last });
    }
    let address: IpAddr = pattern.parse().ok()?;
    Some(IpMatcher { first: address, last: address })
}

fn network_range(network: IpAddr, bits: u32) -> Option<IpMatcher> {
    match network {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let base = u32::from(address) & !host;
            (bits <= 32).then(|| IpMatcher {
                first: IpAddr::V4(Ipv4Addr::from(base)),
                last: IpAddr::V4(Ipv4Addr::from(base | host)),
            })
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let base = u128::from(address) & !host;
            (bits <= 128).then(|| IpMatcher {
                first: IpAddr::V6(Ipv6Addr::from(base)),
                last: IpAddr::V6(Ipv6Addr::from(base | host)),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_addresses_in_lines() {
        let matches = |pattern: &str, line: &str| IpMatcher::compile(pattern).unwrap().is_match(line.as_bytes());
        assert!(matches("192.168.4.5-192.168.4.20", "x192.168.4.5y glued"));
        assert!(matches("192.168.4.5", "[2001:db8::1]:443 and (192.168.4.5:80)"));
        assert!(matches("2001:db8::/32", "[2001:db8::1]:443"));
        assert!(!matches("1.2.3.4", "version 1.2.3.4.5") && matches("10.0.0.0/8", "10.0.0.1/24 cidr"));
        assert!(!matches("192.168.4.99", "addr 192.168.4.999") && !matches("::/0", "12:34:56 time"));
        assert!(matches("::ffff:192.168.4.7", "mapped ::ffff:192.168.4.7 end"));
        assert!(!matches("192.168.4.7", "mapped ::ffff:192.168.4.7 end") && matches("::1", "loopback ::1"));
    }

    #[test]
    fn refuses_wrong_patterns() {
        for pattern in ["nonsense", "1.2.3.4/99", "2.2.2.2-1.1.1.1", "", "1.2.3.4-::1", "1.2.3.4/"] {
            let error = IpMatcher::compile(pattern).unwrap_err().to_string();
            assert_eq!(error, format!("ip: invalid pattern: \"{pattern}\""));
        }
    }
}
