//! Secrets at rest: AES-256-GCM under a ring of master keys.
//!
//! Envelope: `version (1) | key id (4) | nonce (12) | ciphertext and tag`. The associated data is the header and the
//! caller's context, the row's identity such as `server/7/password` (law 9): a sealed value moved to another row or
//! column does not open. The key id is the beginning of the key's SHA-256, so that it can be found without being told.
//! Nonces are 96 random bits: good for 2^32 values under one key, far more than an installation will ever seal.

use crate::clock::Chance;
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 12;
const TAG: usize = 16;

/// Why something could not be sealed or opened. Holds neither plaintext nor key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A master key's text is not a key.
    #[error("A master key is not base64 of exactly 32 bytes; `turnpike init` makes one.")]
    Key,
    /// The bytes are no envelope of ours.
    #[error("What is stored is not a sealed value of a version that this program knows.")]
    Envelope,
    /// None of the keys sealed it.
    #[error("None of the master keys sealed this value; add the former key to seal.older_keys.")]
    KeyUnknown,
    /// It was changed, moved to another row, or cut.
    #[error("A sealed value was changed or does not belong where it is stored; enter the secret anew.")]
    Broken,
}

/// The ring: one key that seals, and those that only open.
#[derive(Clone)]
pub struct Seal {
    /// The first is the one that seals.
    keys: Vec<Key>,
    chance: Chance,
}

#[derive(Clone)]
struct Key {
    id: [u8; 4],
    cipher: Aes256Gcm,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} keys)", self.keys.len())
    }
}

impl Seal {
    /// A ring of `master`, which seals, and `older`, which only open; each base64 of 32 bytes.
    ///
    /// # Errors
    /// One of them is no key.
    pub fn new(master: &SecretString, older: &[SecretString], chance: Chance) -> Result<Self, SealError> {
        let keys = std::iter::once(master).chain(older).map(Key::read).collect::<Result<_, _>>()?;
        Ok(Self { keys, chance })
    }

    /// Seals a secret for the place that `context` names.
    pub fn seal(&self, context: &str, secret: &SecretString) -> Vec<u8> {
        let key = &self.keys[0];
        let nonce: [u8; 12] = self.chance.bytes();
        let mut sealed = Vec::with_capacity(HEADER + secret.expose_secret().len() + TAG);
        sealed.push(VERSION);
        sealed.extend(key.id);
        sealed.extend(nonce);
        let aad = associated(&sealed, context);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &aad };
        let body = key.cipher.encrypt(&Nonce::from(nonce), payload);
        sealed.extend(body.expect("AES-GCM refuses only texts of 64 GiB and more"));
        sealed
    }

    /// Opens what was sealed for the same `context`.
    ///
    /// # Errors
    /// It is not ours, was changed, belongs elsewhere, or its key is not in the ring.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<SecretString, SealError> {
        let (header, body) = split(sealed)?;
        let key = self.keys.iter().find(|key| key.id == header[1..5]).ok_or(SealError::KeyUnknown)?;
        let nonce: [u8; 12] = header[5..].try_into().ok().ok_or(SealError::Envelope)?;
        let aad = associated(header, context);
        let plain = key.cipher.decrypt(&Nonce::from(nonce), Payload { msg: body, aad: &aad });
        let plain = Zeroizing::new(plain.ok().ok_or(SealError::Broken)?);
        let text = std::str::from_utf8(&plain).ok().ok_or(SealError::Broken)?;
        Ok(text.into())
    }

    /// The ids of the ring's keys, in hex, the sealing one first. They tell nothing of the keys.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex::encode(key.id)).collect()
    }

    /// Whether a value was sealed with another key than the one that seals now (or is no envelope at all).
    pub fn needs_reseal(&self, sealed: &[u8]) -> bool {
        split(sealed).map_or(true, |(header, _)| header[1..5] != self.keys[0].id)
    }
}

impl Key {
    fn read(text: &SecretString) -> Result<Self, SealError> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(&alphabet::STANDARD, config).decode(text.expose_secret().trim());
        let bytes = Zeroizing::new(bytes.ok().ok_or(SealError::Key)?);
        let cipher = Aes256Gcm::new_from_slice(&bytes).ok().ok_or(SealError::Key)?;
        let hash = Sha256::digest(&*bytes);
        Ok(Self { id: [hash[0], hash[1], hash[2], hash[3]], cipher })
    }
}

/// Header and the rest, where the length and the version can be.
fn split(sealed: &[u8]) -> Result<(&[u8], &[u8]), SealError> {
    if sealed.len() < HEADER + TAG || sealed[0] != VERSION {
        return Err(SealError::Envelope);
    }
    Ok(sealed.split_at(HEADER))
}

/// The header has a fixed length, so header and context cannot run into each other.
fn associated(header: &[u8], context: &str) -> Vec<u8> {
    [header, context.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const PLACE: &str = "server/7/password";

    fn key(byte: u8) -> SecretString {
        STANDARD.encode([byte; 32]).into()
    }

    fn ring(master: u8, older: &[u8]) -> Seal {
        let older: Vec<SecretString> = older.iter().map(|&byte| key(byte)).collect();
        Seal::new(&key(master), &older, Chance::seeded(1)).unwrap()
    }

    fn text(secret: &SecretString) -> &str {
        secret.expose_secret()
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
        let seal = ring(1, &[]);
        for secret in ["", "s", "pässword 🔑", &"long".repeat(1000)] {
            let sealed = seal.seal(PLACE, &secret.into());
            assert_eq!(sealed.len(), secret.len() + 33);
            assert_eq!(text(&seal.open(PLACE, &sealed).unwrap()), secret);
            for other in ["server/8/password", "server/7/passwor", "server/7/password ", ""] {
                assert_eq!(seal.open(other, &sealed).unwrap_err(), SealError::Broken, "{other:?}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let seal = ring(1, &[]);
        let sealed = seal.seal(PLACE, &"s3cr3t".into());
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bent = sealed.clone();
                bent[at] ^= 1 << bit;
                assert!(seal.open(PLACE, &bent).is_err(), "byte {at}, bit {bit}");
            }
            assert!(seal.open(PLACE, &sealed[..at]).is_err(), "cut to {at}");
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(seal.open(PLACE, &longer).unwrap_err(), SealError::Broken);
    }

    #[test]
    fn no_two_envelopes_of_one_secret_are_alike() {
        let seal = ring(1, &[]);
        assert_ne!(seal.seal(PLACE, &"same".into()), seal.seal(PLACE, &"same".into()));
    }

    #[test]
    fn an_older_key_opens_and_asks_to_be_resealed() {
        let before = ring(1, &[]).seal(PLACE, &"s3cr3t".into());
        let during = ring(2, &[1]);
        assert!(during.needs_reseal(&before));
        let secret = during.open(PLACE, &before).unwrap();
        let after = during.seal(PLACE, &secret);
        assert!(!during.needs_reseal(&after));
        assert_eq!(text(&ring(2, &[]).open(PLACE, &after).unwrap()), "s3cr3t");
        assert_eq!(ring(2, &[]).open(PLACE, &before).unwrap_err(), SealError::KeyUnknown);
        assert!(during.needs_reseal(b"not an envelope"));
    }

    #[test]
    fn a_later_version_is_not_guessed_at() {
        let seal = ring(1, &[]);
        let mut sealed = seal.seal(PLACE, &"s3cr3t".into());
        sealed[0] = 2;
        assert_eq!(seal.open(PLACE, &sealed).unwrap_err(), SealError::Envelope);
    }

    #[test]
    fn keys_of_another_length_or_spelling_are_refused() {
        for wrong in ["", "short", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33]), "!".repeat(44).as_str()] {
            assert_eq!(Seal::new(&wrong.into(), &[], Chance::seeded(1)).unwrap_err(), SealError::Key, "{wrong:?}");
        }
        let unpadded: SecretString = STANDARD.encode([3; 32]).trim_end_matches('=').into();
        assert!(Seal::new(&unpadded, &[], Chance::seeded(1)).is_ok());
    }

    #[test]
    fn neither_debug_nor_errors_say_a_key() {
        assert_eq!(format!("{:?}", ring(1, &[2])), "Seal(2 keys)");
    }

    /// Test case 16 of the GCM specification as submitted to NIST (256 bit key, 20 bytes of associated data): the cipher
    /// that is linked in is AES-256-GCM and nothing else.
    #[test]
    fn the_cipher_is_the_one_of_the_nist_vector() {
        let key = hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").unwrap();
        let nonce: [u8; 12] = hex::decode("cafebabefacedbaddecaf888").unwrap().try_into().unwrap();
        let plain = hex::decode(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
             b16aedf5aa0de657ba637b39",
        )
        .unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let read = Key::read(&STANDARD.encode(key).into()).unwrap();
        let got = read.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad }).unwrap();
        let want = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                    c5f61e6393ba7a0abcc9f662\
                    76fc6ece0f4e1768cddf8853bb2d551b";
        assert_eq!(hex::encode(got), want);
    }

    /// The envelope's layout is on customers' disks: it is pinned by value.
    #[test]
    fn the_envelope_is_laid_out_as_documented() {
        let sealed = ring(1, &[]).seal(PLACE, &"s3cr3t".into());
        let nonce: [u8; 12] = Chance::seeded(1).bytes();
        assert_eq!(sealed[0], 1);
        assert_eq!(sealed[1..5], Sha256::digest([1; 32])[..4]);
        assert_eq!(sealed[5..17], nonce);
        let aad = [&sealed[..17], PLACE.as_bytes()].concat();
        let cipher = Aes256Gcm::new_from_slice(&[1; 32]).unwrap();
        let want = cipher.encrypt(&Nonce::from(nonce), Payload { msg: b"s3cr3t", aad: &aad }).unwrap();
        assert_eq!(sealed[17..], want);
    }
}
