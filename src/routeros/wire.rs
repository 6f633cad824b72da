//! Bytes from a router, cut into sentences: bounded, without a copy and without an allocation per row.
//!
//! A word over 1 MiB, a sentence over 4 MiB or 4,096 words, and a length prefix that does not exist end the connection
//! before the memory is taken. Empty sentences are ignored, as the protocol says.

use mikrotik_rs::proto::codec::{Decode, decode_length};
use zeroize::Zeroizing;

/// The longest word taken, bytes.
const MOST_WORD: usize = 1 << 20;
/// The longest sentence taken, bytes.
const MOST_SENTENCE: usize = 4 << 20;
/// The most words of a sentence.
const MOST_WORDS: usize = 4096;
/// Room made for each read, bytes.
const READ: usize = 64 << 10;

/// Collects what arrives and hands out whole sentences.
#[derive(Default)]
pub(super) struct Framer {
    /// Zeroized on drop: a print of a secret may bring its password.
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    scan: usize,
    spans: Vec<(usize, usize)>,
    taken: bool,
}

impl Framer {
    /// Where the next read goes; sentences already handed out make room first.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if std::mem::take(&mut self.taken) {
            self.spans.clear();
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            for (from, to) in &mut self.spans {
                *from -= self.start;
                *to -= self.start;
            }
            self.scan -= self.start;
            self.start = 0;
        }
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// The next whole sentence, or None until more bytes arrive.
    ///
    /// # Errors
    /// What breaks the protocol; the connection is of no use after it.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, String> {
        if std::mem::take(&mut self.taken) {
            self.spans.clear();
        }
        loop {
            let decoded = decode_length(&self.buffer[self.scan..])
                .map_err(|_wrong| format!("length prefix 0x{:02x}, which does not exist", self.buffer[self.scan]))?;
            let Decode::Complete { value: (length, prefix), .. } = decoded else { return Ok(None) };
            let (from, length) = (self.scan + prefix, length as usize);
            if length == 0 {
                self.start = from;
                self.scan = from;
                if self.spans.is_empty() {
                    continue;
                }
                self.taken = true;
                return Ok(Some(Row { data: &self.buffer, spans: &self.spans }));
            }
            if length > MOST_WORD {
                return Err(format!("a word of {length} bytes"));
            }
            if from + length - self.start > MOST_SENTENCE || self.spans.len() >= MOST_WORDS {
                return Err("a sentence without end".to_owned());
            }
            if from + length > self.buffer.len() {
                return Ok(None);
            }
            self.spans.push((from, from + length));
            self.scan = from + length;
        }
    }
}

/// One sentence of a reply, as bytes in the read buffer.
pub(super) struct Row<'a> {
    data: &'a [u8],
    spans: &'a [(usize, usize)],
}

impl<'a> Row<'a> {
    pub(super) fn words(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.spans.iter().map(|&(from, to)| &self.data[from..to])
    }

    /// The first word: `!re`, `!done`, …
    pub(super) fn kind(&self) -> &'a [u8] {
        self.words().next().unwrap_or_default()
    }

    /// The tag, wherever it stands.
    pub(super) fn tag(&self) -> Option<&'a [u8]> {
        self.words().skip(1).find_map(|word| word.strip_prefix(b".tag="))
    }

    /// Every `=key=value`, in the router's order.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.words().skip(1).filter_map(|word| {
            let word = word.strip_prefix(b"=")?;
            let cut = word.iter().position(|&byte| byte == b'=')?;
            Some((&word[..cut], &word[cut + 1..]))
        })
    }

    /// The value of one attribute.
    pub(super) fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.attributes().find(|(k, _)| *k == key.as_bytes()).map(|(_, value)| value)
    }

    /// Words that are neither attribute nor tag: the text of a `!fatal`.
    pub(super) fn loose(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.words().skip(1).filter(|word| !word.starts_with(b"=") && !word.starts_with(b"."))
    }

    /// How many bytes the sentence holds.
    pub(super) fn size(&self) -> usize {
        self.spans.iter().map(|(from, to)| to - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An encoder of the test's own.
    fn word(word: &[u8]) -> Vec<u8> {
        let n = u32::try_from(word.len()).unwrap();
        let mut out = match n {
            0..0x80 => vec![u8::try_from(n).unwrap()],
            0x80..0x4000 => (n | 0x8000).to_be_bytes()[2..].to_vec(),
            0x4000..0x20_0000 => (n | 0xC0_0000).to_be_bytes()[1..].to_vec(),
            _ => (n | 0xE000_0000).to_be_bytes().to_vec(),
        };
        out.extend_from_slice(word);
        out
    }

    fn drain(framer: &mut Framer) -> Result<Vec<Vec<Vec<u8>>>, String> {
        let mut all = Vec::new();
        while let Some(row) = framer.next()? {
            all.push(row.words().map(<[u8]>::to_vec).collect());
        }
        Ok(all)
    }

    proptest! {
        #[test]
        fn sentences_survive_any_cutting(
            sentences in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..8), 0..6),
            step in 1_usize..200,
        ) {
            let bytes: Vec<u8> = sentences
                .iter()
                .flat_map(|s| s.iter().flat_map(|w| word(w)).chain([0]).collect::<Vec<_>>())
                .collect();
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(step) {
                framer.room().extend_from_slice(chunk);
                seen.extend(drain(&mut framer).unwrap());
            }
            prop_assert_eq!(seen, sentences);
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut framer = Framer::default();
            for chunk in bytes.chunks(17) {
                framer.room().extend_from_slice(chunk);
                if drain(&mut framer).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_huge_word_is_refused_when_it_is_announced() {
        let mut framer = Framer::default();
        framer.room().extend_from_slice(&[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(framer.next().is_err_and(|e| e.contains("4294967295")));
    }

    #[test]
    fn a_sentence_without_end_is_refused() {
        let mut framer = Framer::default();
        framer.room().extend(std::iter::repeat_n([1, b'x'], 5000).flatten());
        assert!(framer.next().is_err());
    }

    #[test]
    fn a_length_prefix_that_does_not_exist_is_refused() {
        let mut framer = Framer::default();
        framer.room().push(0xFF);
        assert!(framer.next().is_err_and(|e| e.contains("0xff")));
    }

    #[test]
    fn empty_sentences_are_ignored() {
        let mut framer = Framer::default();
        framer.room().extend_from_slice(&[0, 0, 0, 2, b'!', b'x', 0, 0]);
        assert_eq!(drain(&mut framer).unwrap(), vec![vec![b"!x".to_vec()]]);
    }
}
