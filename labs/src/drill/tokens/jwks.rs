//! The key list that a target reads (JWKS, RFC 7517).
//!
//! A list of public halves in the order in which they were added. Two keys of one name are kept
//! side by side, since that is what one of the cases is about.

use serde_json::{Value, json};

use super::TokenKey;

/// A list of public keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Value>,
}

impl Jwks {
    /// The list of these keys.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a TokenKey>) -> Self {
        Self {
            keys: keys.into_iter().map(TokenKey::jwk).collect(),
        }
    }

    /// The document, as a file or a server gives it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{:#}", json!({ "keys": self.keys }));
        text.push('\n');
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn the_list_holds_the_public_halves_alone_and_one_name_twice_if_asked() {
        let keys = [TokenKey::new("a").unwrap(), TokenKey::new("a").unwrap()];
        let read: Value = serde_json::from_slice(&Jwks::of(&keys).bytes()).unwrap();
        let list = read["keys"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        for (jwk, key) in list.iter().zip(&keys) {
            assert_eq!(jwk["kid"], "a");
            assert_eq!(jwk.get("d"), None);
            let coordinate = |name: &str| {
                let text = jwk[name].as_str().unwrap();
                BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
            };
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            assert_eq!(point, key.public_point());
        }
        assert_ne!(list[0]["x"], list[1]["x"]);
    }
}
