//! What a queue has counted, as it is kept while its router is read: a hundred thousand of them at once.
//!
//! Of a row's words nothing is kept but what a reading is asked for, its texts in one piece. The mark is read when the row
//! arrives; the e-mail address behind it, which is for people, is not kept.

use super::{
    Mark,
    queues::{Shape, shape},
    value::{pair, single, text, truth},
    wire::Row,
};
use crate::units::Volume;
use std::{borrow::Cow, net::Ipv4Addr};

/// The properties of a [`Reading`].
pub(super) const READING: &str = ".id,name,comment,bytes,packets,disabled,dynamic,target";
/// The same with those of a [`Shape`].
pub(super) const READING_AND_SHAPE: &str = ".id,name,comment,bytes,packets,disabled,dynamic,target,packet-marks,\
     max-limit,burst-limit,burst-threshold,burst-time";

/// Packets in both directions, customer's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packets {
    /// To the customer.
    pub down: u64,
    /// From the customer.
    pub up: u64,
}

/// What a queue has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Id, name, target, packet marks and the mark's prefix, one after the other.
    texts: Box<str>,
    /// Where the first four of them end.
    ends: [u32; 4],
    /// The service that its mark names.
    service_id: Option<u64>,
    /// Bytes since the queue was made, reset, or the router started.
    pub volume: Volume,
    /// Packets since then.
    pub packets: Packets,
    /// Whether it is switched off (and so counts nothing).
    pub disabled: bool,
    /// What it is set to, where that was asked for.
    pub shape: Option<Box<Shape>>,
}

impl Reading {
    fn text(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).map_or(self.texts.len(), |end| *end as usize);
        let begin = at.checked_sub(1).map_or(0, end);
        self.texts.get(begin..end(at)).unwrap_or_default()
    }

    /// RouterOS's id, `*1F`.
    pub fn id(&self) -> &str {
        self.text(0)
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.text(1)
    }

    /// What it counts, as RouterOS prints it.
    pub fn target(&self) -> &str {
        self.text(2)
    }

    /// Whether it counts this address and nothing else, however that is spelt.
    pub fn is_for(&self, address: Ipv4Addr) -> bool {
        single(self.target()) == Some(address)
    }

    /// The packet marks that it takes, where that was asked for; empty: all packets.
    pub fn packet_marks(&self) -> &str {
        self.text(3)
    }

    /// Its mark's prefix and service; `None` where its comment is no mark.
    pub fn mark(&self) -> Option<(&str, u64)> {
        self.service_id.map(|service_id| (self.text(4), service_id))
    }

    /// Whether it bears this service's mark.
    pub fn is_of(&self, mark: &Mark) -> bool {
        self.mark() == Some((&mark.prefix, mark.service_id))
    }
}

/// Reads a row of a print with the properties [`READING`]. Dynamic queues are passed over.
pub(super) fn reading(row: &Row<'_>) -> Result<Option<Reading>, String> {
    let none = || Cow::Borrowed("");
    let (mut id, mut name, mut comment, mut target, mut packet_marks) = (none(), none(), none(), none(), none());
    let (mut bytes, mut packets, mut disabled, mut limits) = (None, None, false, None);
    for (key, value) in row.attributes() {
        match key {
            b".id" => id = text(value),
            b"name" => name = text(value),
            b"comment" => comment = text(value),
            b"target" => target = text(value),
            b"packet-marks" => packet_marks = text(value),
            b"bytes" => bytes = pair(value),
            b"packets" => packets = pair(value),
            b"disabled" => disabled = truth(value),
            b"dynamic" if truth(value) => return Ok(None),
            b"max-limit" => limits = shape(row).ok(),
            _ => {}
        }
    }
    let (Some((up, down)), Some(packets)) = (bytes, packets) else {
        return Err(format!("the counters of queue {name:?} ({id})"));
    };
    if id.is_empty() {
        return Err(format!("queue {name:?} without an id"));
    }
    let mark = Mark::read(&comment);
    let parts = [&*id, &*name, &*target, &*packet_marks, mark.map_or("", |(prefix, ..)| prefix)];
    let mut end = 0;
    let ends = std::array::from_fn(|at| {
        end += parts[at].len();
        // A sentence has 4 MiB at the most.
        u32::try_from(end).unwrap_or(u32::MAX)
    });
    Ok(Some(Reading {
        texts: parts.concat().into_boxed_str(),
        ends,
        service_id: mark.map(|(_, service_id, _)| service_id),
        volume: Volume::new(down, up),
        packets: Packets { down: packets.1, up: packets.0 },
        disabled,
        shape: limits.map(Box::new),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routeros::wire::Framer;

    fn read(words: &[&[u8]]) -> Result<Option<Reading>, String> {
        let mut framer = Framer::default();
        for word in [&b"!re"[..]].iter().chain(words) {
            framer.room().push(u8::try_from(word.len()).unwrap());
            framer.room().extend_from_slice(word);
        }
        framer.room().push(0);
        reading(&framer.next().unwrap().unwrap())
    }

    #[test]
    fn the_texts_are_told_apart_in_whatever_order_they_come() {
        let mut words: Vec<&[u8]> = vec![
            b"=.id=*1F",
            b"=name=7-41",
            b"=comment=WHMCS|Product ID:41|ada@example.net",
            b"=target=10.8.0.2/32",
            b"=packet-marks=cdn",
            b"=bytes=1/2",
            b"=packets=3/4",
            b"=disabled=true",
        ];
        for _ in 0..words.len() {
            words.rotate_left(1);
            let it = read(&words).unwrap().unwrap();
            assert_eq!((it.id(), it.name(), it.target(), it.packet_marks()), ("*1F", "7-41", "10.8.0.2/32", "cdn"));
            assert_eq!(it.mark(), Some(("WHMCS", 41)));
            assert_eq!((it.volume, it.packets, it.disabled), (Volume::new(2, 1), Packets { down: 4, up: 3 }, true));
        }
    }

    #[test]
    fn a_mark_is_its_prefix_and_its_service_and_what_is_none_is_nobodys() {
        let ours = Mark { prefix: "WHMCS".into(), service_id: 41, email: "ada@example.net".into() };
        let of = |comment: &str| {
            let comment = format!("=comment={comment}");
            read(&[b"=.id=*1", b"=bytes=0/0", b"=packets=0/0", comment.as_bytes()]).unwrap().unwrap()
        };
        assert!(of("WHMCS|Product ID:41|someone@else.example").is_of(&ours));
        for other in
            ["", "WHMCS", "by hand", "WHMCS|Product ID:42|a@b", "Other|Product ID:41|a@b", "WHMCS|Product ID:041|a@b"]
        {
            assert!(!of(other).is_of(&ours), "{other:?}");
            assert_eq!(of(other).mark().is_some(), Mark::read(other).is_some(), "{other:?}");
        }
        assert_eq!(of("|Product ID:7|").mark(), Some(("", 7)));
    }

    #[test]
    fn a_row_without_counters_or_an_id_is_refused_and_names_that_are_not_utf8_are_read() {
        assert!(read(&[b"=.id=*1", b"=name=a", b"=bytes=0/0"]).is_err_and(|why| why.contains("\"a\" (*1)")));
        assert!(read(&[b"=name=a", b"=bytes=0/0", b"=packets=0/0"]).is_err_and(|why| why.contains("without an id")));
        assert_eq!(read(&[b"=.id=*1", b"=dynamic=true"]), Ok(None));
        let latin =
            read(&[b"=.id=*1", b"=name=caf\xe9", b"=target=x", b"=bytes=0/0", b"=packets=0/0"]).unwrap().unwrap();
        assert_eq!((latin.name(), latin.target()), ("café", "x"));
    }
}
