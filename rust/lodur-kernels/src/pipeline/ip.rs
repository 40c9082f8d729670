//! Addresses, networks and ranges of `ip("…")`, and finding addresses in text.

use std::net::IpAddr;

use crate::error::{KernelError, Result};

/// Shortest texts of an address: `::1` and `1.1.1.1` (which begins with a digit and a dot within four bytes).
const V6_BYTES_MIN: usize = 3;
const V4_HINT_BYTES: usize = 4;

/// Longest text of an address, `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const ADDRESS_BYTES_MAX: usize = 45;

/// Addresses of one or more patterns, any number of them: a line is read once, and each address is looked up.
///
/// Families are never mixed: a mapped IPv6 address is no IPv4 address here, as in Loki.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpMatcher {
    v4: Spans<u32>,
    v6: Spans<u128>,
}

impl IpMatcher {
    /// Each pattern is a single address, `a.b.c.d/n`, or `a-b`.
    pub fn compile<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match parse_pattern(pattern) {
                Some(Span::V4(first, last)) => v4.push((first, last)),
                Some(Span::V6(first, last)) => v6.push((first, last)),
                None => return Err(KernelError::InvalidRequest(format!("ip: invalid pattern: \"{pattern}\""))),
            }
        }
        Ok(IpMatcher { v4: Spans::new(v4), v6: Spans::new(v6) })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address.into()),
            IpAddr::V6(address) => self.v6.contains(address.into()),
        }
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

/// Numbers between the ends of any of the pairs, both included; in order, none overlapping.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spans<T>(Vec<(T, T)>);

impl<T: Copy + Ord> Spans<T> {
    fn new(mut spans: Vec<(T, T)>) -> Self {
        spans.sort_unstable();
        spans.dedup_by(|next, kept| {
            let joined = next.0 <= kept.1;
            if joined {
                kept.1 = kept.1.max(next.1);
            }
            joined
        });
        Spans(spans)
    }

    fn contains(&self, number: T) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|before| self.0.get(before)).is_some_and(|(_, last)| number <= *last)
    }
}

/// First and last address of a pattern.
enum Span {
    V4(u32, u32),
    V6(u128, u128),
}

fn parse_pattern(pattern: &str) -> Option<Span> {
    if let Some((network, bits)) = pattern.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let plain =
            !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits.len() == 1 || !bits.starts_with('0'));
        let bits: u32 = if plain { bits.parse().ok()? } else { return None };
        return network_range(network, bits);
    }
    if let Some((first, last)) = pattern.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        return span(first, last);
    }
    let address: IpAddr = pattern.parse().ok()?;
    span(address, address)
}

fn span(first: IpAddr, last: IpAddr) -> Option<Span> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => Some(Span::V4(first.into(), last.into())),
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => Some(Span::V6(first.into(), last.into())),
        _ => None,
    }
}

fn network_range(network: IpAddr, bits: u32) -> Option<Span> {
    match network {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let base = u32::from(address) & !host;
            (bits <= 32).then_some(Span::V4(base, base | host))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let base = u128::from(address) & !host;
            (bits <= 128).then_some(Span::V6(base, base | host))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_addresses_in_lines() {
        let matches = |pattern: &str, line: &str| IpMatcher::compile([pattern]).unwrap().is_match(line.as_bytes());
        assert!(matches("192.168.4.5-192.168.4.20", "x192.168.4.5y glued"));
        assert!(matches("192.168.4.5", "[2001:db8::1]:443 and (192.168.4.5:80)"));
        assert!(matches("2001:db8::/32", "[2001:db8::1]:443"));
        assert!(!matches("1.2.3.4", "version 1.2.3.4.5") && matches("10.0.0.0/8", "10.0.0.1/24 cidr"));
        assert!(!matches("192.168.4.99", "addr 192.168.4.999") && !matches("::/0", "12:34:56 time"));
        assert!(matches("::ffff:192.168.4.7", "mapped ::ffff:192.168.4.7 end"));
        assert!(!matches("192.168.4.7", "mapped ::ffff:192.168.4.7 end") && matches("::1", "loopback ::1"));
    }

    #[test]
    fn many_patterns_are_looked_up_together() {
        let patterns = ["10.0.0.9", "10.0.0.0/30", "10.0.0.2-10.0.0.5", "::1", "10.0.0.9", "2001:db8::/32", "0.0.0.0"];
        let all = IpMatcher::compile(patterns).unwrap();
        let each = patterns.map(|pattern| IpMatcher::compile([pattern]).unwrap());
        for line in (0..12)
            .map(|last| format!("at 10.0.0.{last}"))
            .chain(["::1", "::2", "2001:db8::5", "0.0.0.0", ""].map(str::to_owned))
        {
            let expected = each.iter().any(|one| one.is_match(line.as_bytes()));
            assert_eq!(all.is_match(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn refuses_wrong_patterns() {
        for pattern in ["nonsense", "1.2.3.4/99", "2.2.2.2-1.1.1.1", "", "1.2.3.4-::1", "1.2.3.4/"] {
            let error = IpMatcher::compile(["::1", pattern]).unwrap_err().to_string();
            assert_eq!(error, format!("ip: invalid pattern: \"{pattern}\""));
        }
    }
}
