//! Text that many answers begin with, and an answer that begins with it.
//!
//! Law: an answer's digest is that of its bytes. That of the beginning is made once, and every answer goes on from there: of a
//! client's page, nearly all is its history and the same at each view.

use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// What answers begin with. Clones share it.
#[derive(Clone)]
pub struct Beginning(Arc<Begun>);

struct Begun {
    text: String,
    digest: Sha256,
}

impl Beginning {
    /// That text.
    pub fn of(text: String) -> Self {
        let digest = Sha256::new_with_prefix(&text);
        Self(Arc::new(Begun { text, digest }))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl AsRef<[u8]> for Beginning {
    fn as_ref(&self) -> &[u8] {
        self.text().as_bytes()
    }
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Beginning").field(&self.text()).finish()
    }
}

/// A whole answer. It may hold secrets: no Debug of the rest.
#[derive(Clone)]
pub struct Written {
    /// What it begins with.
    pub beginning: Beginning,
    /// What is this answer's own.
    pub rest: Vec<u8>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("bytes", &(self.beginning.text().len() + self.rest.len()))
            .finish_non_exhaustive()
    }
}

impl Written {
    /// SHA-256 of all of it.
    pub fn digest(&self) -> [u8; 32] {
        self.beginning.0.digest.clone().chain_update(&self.rest).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_digest_is_that_of_the_bytes_in_their_order(text in ".{0,200}", rests in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
            let beginning = Beginning::of(text.clone());
            for rest in rests {
                let whole = [text.as_bytes(), &rest].concat();
                let written = Written { beginning: beginning.clone(), rest };
                prop_assert_eq!(written.digest(), <[u8; 32]>::from(Sha256::digest(whole)));
            }
        }
    }
}
