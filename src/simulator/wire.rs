//! The bytes of the RouterOS API, from the router's side: length-prefixed words, sentences, requests and replies.
//! Written apart from the client's codec, so that a mistake in one of them cannot hide behind the other.

use std::borrow::Cow;

/// The longest word the simulator takes, in bytes; RouterOS's own limit is not documented.
pub const LONGEST_WORD: usize = 4 << 20;

/// Why bytes could not be read as API words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A first byte of `0xF8` or above: a control byte that nobody knows.
    ControlByte(u8),
    /// A word above [`LONGEST_WORD`].
    TooLong(u64),
}

/// Puts the length prefix of a word of `length` bytes: one to five bytes, most significant first.
pub fn put_length(out: &mut Vec<u8>, length: u32) {
    let bytes = length.to_be_bytes();
    match length {
        0..0x80 => out.push(bytes[3]),
        0x80..0x4000 => out.extend([bytes[2] | 0x80, bytes[3]]),
        0x4000..0x20_0000 => out.extend([bytes[1] | 0xC0, bytes[2], bytes[3]]),
        0x20_0000..0x1000_0000 => out.extend([bytes[0] | 0xE0, bytes[1], bytes[2], bytes[3]]),
        _ => {
            out.push(0xF0);
            out.extend(bytes);
        }
    }
}

/// Puts one word, prefix and content. A word above 4 GiB is cut, as its length cannot be said.
pub fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    let length = u32::try_from(word.len()).unwrap_or(u32::MAX);
    put_length(out, length);
    out.extend(&word[..length as usize]);
}

/// The length prefix at the head of `bytes`: `(length, bytes of the prefix)`, or `None` while it is incomplete.
pub fn take_length(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (size, mask) = match first {
        0..=0x7F => (1, 0x7F),
        0x80..=0xBF => (2, 0x3F),
        0xC0..=0xDF => (3, 0x1F),
        0xE0..=0xEF => (4, 0x0F),
        0xF0..=0xF7 => (5, 0x00),
        _ => return Err(Malformed::ControlByte(first)),
    };
    if bytes.len() < size {
        return Ok(None);
    }
    let head = u64::from(first & mask);
    Ok(Some((bytes[1..size].iter().fold(head, |sum, &byte| (sum << 8) | u64::from(byte)), size)))
}

/// Collects bytes as they come and hands out whole sentences.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    read: usize,
    words: Vec<Vec<u8>>,
}

impl Inbox {
    /// Takes more bytes from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 && self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        self.bytes.extend(bytes);
    }

    /// How many bytes wait for the rest of their sentence.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.read + self.words.iter().map(Vec::len).sum::<usize>()
    }

    /// The next whole sentence, or `None` while it is incomplete. Empty sentences are passed over, as RouterOS does.
    pub fn sentence(&mut self) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        loop {
            let rest = &self.bytes[self.read..];
            let Some((length, prefix)) = take_length(rest)? else { return Ok(None) };
            let size = usize::try_from(length).ok().filter(|size| *size <= LONGEST_WORD);
            let Some(size) = size else { return Err(Malformed::TooLong(length)) };
            if rest.len() < prefix + size {
                return Ok(None);
            }
            let word = rest[prefix..prefix + size].to_vec();
            self.read += prefix + size;
            if !word.is_empty() {
                self.words.push(word);
            } else if !self.words.is_empty() {
                self.compact();
                return Ok(Some(std::mem::take(&mut self.words)));
            }
        }
    }

    fn compact(&mut self) {
        if self.read > 64 * 1024 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
    }
}

/// Bytes as text. Bytes that are not UTF-8 (a comment typed in another code page) become private characters U+E0xx, and
/// [`to_bytes`] turns them back, so that the simulator echoes what it was given, as RouterOS does.
pub fn to_text(bytes: &[u8]) -> String {
    let hidden = |byte: &u8| char::from_u32(0xE000 + u32::from(*byte));
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_hidden(c) {
                text.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().filter_map(hidden));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().filter_map(hidden));
    }
    text
}

/// Text as bytes; the other way of [`to_text`].
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(0xE000)) {
            Ok(byte) if is_hidden(c) => bytes.push(byte),
            _ => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// Whether the character stands for a byte from 0x80 up that was no UTF-8.
fn is_hidden(c: char) -> bool {
    ('\u{E080}'..='\u{E0FF}').contains(&c)
}

/// One command as the router read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The command word: `/ppp/secret/add`.
    pub path: String,
    /// `=name=value` words in their order.
    pub attributes: Vec<(String, String)>,
    /// Query words in their order, with their `?`.
    pub queries: Vec<String>,
    /// The value of `.tag=`; empty is as good as none.
    pub tag: Option<String>,
}

impl Request {
    /// Sorts the words of a sentence. Words of no known form are left aside.
    pub fn read(words: &[Vec<u8>]) -> Request {
        let mut request = Request::default();
        for (place, word) in words.iter().enumerate() {
            let text = to_text(word);
            if place == 0 {
                request.path = text;
            } else if text.starts_with('?') {
                request.queries.push(text);
            } else if let Some(tag) = text.strip_prefix(".tag=") {
                request.tag = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
            } else if let Some(pair) = text.strip_prefix('=') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                request.attributes.push((name.to_owned(), value.to_owned()));
            }
        }
        request
    }

    /// The value of the attribute `name`, the last one where it is given twice.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Replies to one command, already as bytes, with the ends of their sentences.
#[derive(Debug, Default)]
pub struct Replies {
    /// What goes onto the socket.
    pub bytes: Vec<u8>,
    /// Where each sentence ends in `bytes`.
    pub ends: Vec<usize>,
    tag: Option<String>,
    tag_last: bool,
}

impl Replies {
    /// Replies that carry `tag`; as the second word, where real routers put it, or as the last one, as in the manual.
    pub fn new(tag: Option<String>, tag_last: bool) -> Replies {
        Replies { tag, tag_last, ..Replies::default() }
    }

    /// Adds a sentence of a reply word and `=name=value` words.
    pub fn say<'a>(&mut self, word: &str, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) {
        put_word(&mut self.bytes, word.as_bytes());
        if !self.tag_last {
            self.put_tag();
        }
        for (name, value) in attributes {
            let value = to_bytes(value);
            put_length(&mut self.bytes, u32::try_from(name.len() + value.len() + 2).unwrap_or(u32::MAX));
            self.bytes.push(b'=');
            self.bytes.extend(name.as_bytes());
            self.bytes.push(b'=');
            self.bytes.extend(&*value);
        }
        if self.tag_last {
            self.put_tag();
        }
        self.end();
    }

    /// Adds `!fatal` with its bare reason and no tag, as RouterOS does.
    pub fn fatal(&mut self, reason: &str) {
        put_word(&mut self.bytes, b"!fatal");
        put_word(&mut self.bytes, reason.as_bytes());
        self.end();
    }

    /// Adds a `!trap`.
    pub fn trap(&mut self, category: Option<u8>, message: &str) {
        let category = category.map(|number| number.to_string());
        let words = category.iter().map(|number| ("category", number.as_str())).chain([("message", message)]);
        self.say("!trap", words);
    }

    fn put_tag(&mut self) {
        if let Some(tag) = &self.tag {
            put_word(&mut self.bytes, format!(".tag={tag}").as_bytes());
        }
    }

    fn end(&mut self) {
        put_length(&mut self.bytes, 0);
        self.ends.push(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The table of the manual ("API words"), at both ends of each row.
    #[test]
    fn length_prefixes_are_those_of_the_manual() {
        let rows: [(u32, &[u8]); 10] = [
            (0, &[0x00]),
            (0x7F, &[0x7F]),
            (0x80, &[0x80, 0x80]),
            (0x3FFF, &[0xBF, 0xFF]),
            (0x4000, &[0xC0, 0x40, 0x00]),
            (0x1F_FFFF, &[0xDF, 0xFF, 0xFF]),
            (0x20_0000, &[0xE0, 0x20, 0x00, 0x00]),
            (0xFFF_FFFF, &[0xEF, 0xFF, 0xFF, 0xFF]),
            (0x1000_0000, &[0xF0, 0x10, 0x00, 0x00, 0x00]),
            (u32::MAX, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (length, bytes) in rows {
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(out, bytes, "{length:#x}");
            assert_eq!(take_length(&out), Ok(Some((u64::from(length), bytes.len()))));
            assert_eq!(take_length(&out[..out.len() - 1]), Ok(None), "{length:#x} cut");
        }
    }

    #[test]
    fn control_bytes_and_giant_words_are_refused() {
        assert_eq!(take_length(&[0xF8]), Err(Malformed::ControlByte(0xF8)));
        let mut inbox = Inbox::default();
        inbox.push(&[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(inbox.sentence(), Err(Malformed::TooLong(0xFFFF_FFFF)));
    }

    #[test]
    fn a_request_sorts_its_words() {
        let words: Vec<Vec<u8>> =
            ["/x/print", "=name=iu=c3Eeg", "=comment=", "=flag", "?type=ether", "?#|", ".tag=7", "odd"]
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect();
        let request = Request::read(&words);
        assert_eq!(request.path, "/x/print");
        assert_eq!(request.attribute("name"), Some("iu=c3Eeg"));
        assert_eq!(request.attribute("comment"), Some(""));
        assert_eq!(request.attribute("flag"), Some(""));
        assert_eq!(request.attribute("type"), None);
        assert_eq!(request.queries, ["?type=ether", "?#|"]);
        assert_eq!(request.tag.as_deref(), Some("7"));
    }

    proptest! {
        #[test]
        fn sentences_survive_the_wire_in_any_pieces(
            sentences in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..6), 1..5),
            cut in 1usize..700,
        ) {
            let mut bytes = Vec::new();
            for sentence in &sentences {
                for word in sentence {
                    put_word(&mut bytes, word);
                }
                put_length(&mut bytes, 0);
                put_length(&mut bytes, 0); // an empty sentence between, which is ignored
            }
            let mut inbox = Inbox::default();
            let mut read = Vec::new();
            for piece in bytes.chunks(cut) {
                inbox.push(piece);
                while let Some(sentence) = inbox.sentence().unwrap() {
                    read.push(sentence);
                }
            }
            prop_assert_eq!(read, sentences);
            prop_assert_eq!(inbox.waiting(), 0);
        }

        #[test]
        fn any_bytes_come_back_as_they_were(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = to_text(&bytes);
            prop_assert_eq!(&*to_bytes(&text), &bytes[..]);
        }

        #[test]
        fn noise_never_breaks_the_inbox(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut inbox = Inbox::default();
            inbox.push(&bytes);
            while let Ok(Some(sentence)) = inbox.sentence() {
                prop_assert!(!sentence.is_empty());
            }
        }
    }
}
