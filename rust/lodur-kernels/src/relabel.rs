//! Label values rewritten by a regular expression, for `label_replace`.

use crate::error::Result;
use crate::pipeline::go_regex::{self, Use};

/// For each value the replacement, with `$1` and `${name}` filled in; None where the expression does not match all of it.
///
/// Groups that are missing or took no part read as empty, `$$` is a dollar.
pub fn replace_values(values: &[String], expression: &str, replacement: &str) -> Result<Vec<Option<String>>> {
    let regex = go_regex::compile(expression, Use::WholeValue)?;
    let replaced = values.iter().map(|value| {
        let captures = regex.captures(value.as_bytes())?;
        let mut text = Vec::with_capacity(replacement.len() + value.len());
        captures.expand(replacement.as_bytes(), &mut text);
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    Ok(replaced.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn replaced(value: &str, expression: &str, replacement: &str) -> Option<String> {
        replace_values(&[value.to_owned()], expression, replacement).unwrap().remove(0)
    }

    #[test]
    fn groups_are_filled_in() {
        let name = |text| replaced("checkout-0", "(checkout|gw)-(?P<id>.*)", text);
        assert_eq!(name("$1/${id}"), Some("checkout/0".to_owned()));
        assert_eq!(name("$0 $9 $$1"), Some("checkout-0  $1".to_owned()));
        assert_eq!(replaced("ab", "(?P<n>a)(?P<n>b)", "${n}$2"), Some("ab".to_owned()));
        assert_eq!(name("${1}x $1x"), Some("checkoutx ".to_owned()));
    }

    #[test]
    fn the_whole_value_must_match() {
        assert_eq!(replaced("checkout-0", "checkout", "x"), None);
        assert_eq!(replaced("", "", "x"), Some("x".to_owned()));
        assert_eq!(replaced("ab", "a|ab", "$0"), Some("ab".to_owned()));
        assert_eq!(replaced("a\nb", "a.b", "x"), Some("x".to_owned()));
    }

    #[test]
    fn a_wrong_expression_is_an_error() {
        assert!(replace_values(&[], "(", "x").is_err());
    }
}
