//! A hash by which a body that comes again is recognised.

use std::sync::OnceLock;

use ahash::RandomState;

/// Drawn at random once for the process: nobody outside can make two bodies with one hash.
static KEYS: OnceLock<RandomState> = OnceLock::new();

/// Equal bodies have equal hashes, as long as the process lives.
pub fn body_hash(body: &[u8]) -> u64 {
    KEYS.get_or_init(RandomState::new).hash_one(body)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::body_hash;

    #[test]
    fn bodies_that_differ_in_a_bit_or_in_length_differ() {
        let body = [b'x'; 100];
        let mut hashes = HashSet::from([body_hash(&body)]);
        for bit in 0..8 * body.len() {
            let mut other = body;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(hashes.insert(body_hash(&other)));
        }
        assert!((0..body.len()).all(|length| hashes.insert(body_hash(&body[..length]))));
        assert_eq!(body_hash(&body), body_hash("x".repeat(100).as_bytes()));
    }
}
