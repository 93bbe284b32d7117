//! [`author`]: a client as others see it, in the words of the specification's chapter on presence.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// What others see of a `clientId` in a history: the first 128 bits of a SHA-256, as 32 hexadecimal digits (PRES-AUTHOR). The same for all sessions
/// of the client, another in every workspace, and of no use for finding the `clientId` out.
///
/// ```
/// assert_eq!(syncline_schemas::author("e1", "ann"), "68f30d1c0b8b5420dfca1c7606c3ba39");
/// ```
#[must_use]
pub fn author(epoch: &str, client_id: &str) -> String {
    let hash = Sha256::digest(format!("syncline.v1.author:{epoch}:{client_id}"));
    let mut author = String::with_capacity(32);
    for byte in &hash[..16] {
        // Writing into a string cannot fail.
        let _ = write!(author, "{byte:02x}");
    }
    author
}

#[cfg(test)]
mod tests {
    use super::author;

    #[test]
    fn the_vectors_hold() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../v1/vectors/authors.json")).expect("JSON");
        let authors = vectors["authors"].as_array().expect("authors");
        assert!(authors.len() > 5);
        for vector in authors {
            let text = |name: &str| vector[name].as_str().expect("a string");
            let made = author(text("epoch"), text("clientId"));
            assert_eq!(made, text("author"), "{}", vector["what"]);
        }
    }
}
