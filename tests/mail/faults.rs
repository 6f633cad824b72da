//! A mail server that fails at any word of the conversation: cut, silent, refusing, or taking the letter and never saying
//! so. What SMTP can give is *at least once*: a letter arrives, and a second time only where the server had it and its
//! word was lost; then both carry the same `Message-ID`, by which mail programs know them for one.

use crate::{
    outbox::Office,
    sending::{mailer, smtp},
};
use chrono::Duration;
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use turnpike::mail::{Outcome, SmtpSettings, Transport, outbox::State};

/// A word of the conversation, as the server hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Body,
    Quit,
}

const WORDS: [Word; 7] = [Word::Greeting, Word::Ehlo, Word::Mail, Word::Rcpt, Word::Data, Word::Body, Word::Quit];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Without an answer; a letter is not taken.
    Cut,
    /// In the middle of what is being sent.
    CutMidway,
    /// No answer, ever; a letter is not taken.
    Hang,
    /// 451.
    NotNow,
    /// 554, which says nothing about the recipient.
    Never,
    /// A refusal, word for word.
    Refuse(&'static str),
    /// The letter is taken, and the connection cut.
    TakeAndCut,
    /// The letter is taken, and nothing said.
    TakeAndHang,
}

#[derive(Clone, Default)]
struct Server {
    /// Strikes once.
    fault: Arc<Mutex<Option<(Word, Fault)>>>,
    /// The `Message-ID` of each letter that it took.
    taken: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(word: Word, fault: Fault) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), Self::default());
        *server.fault.lock().unwrap() = Some((word, fault));
        let all = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = all.clone();
                // A conversation that the client breaks off is over.
                tokio::spawn(async move { one.converse(stream).await.ok() });
            }
        });
        (server, port)
    }

    fn strikes(&self, word: Word) -> Option<Fault> {
        let mut plan = self.fault.lock().unwrap();
        let (_, fault) = plan.filter(|(at, _)| *at == word)?;
        *plan = None;
        Some(fault)
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut word = Word::Greeting;
        let mut heard = String::new();
        loop {
            let fault = self.strikes(word);
            match fault {
                Some(Fault::Cut | Fault::CutMidway) => return Ok(()),
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::NotNow) => stream.write_all(b"451 4.3.0 not now\r\n").await?,
                Some(Fault::Never) => stream.write_all(b"554 5.3.0 not here\r\n").await?,
                Some(Fault::Refuse(said)) => stream.write_all(format!("{said}\r\n").as_bytes()).await?,
                Some(Fault::TakeAndCut | Fault::TakeAndHang) | None => {
                    if word == Word::Body {
                        let id = heard.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
                        self.taken.lock().unwrap().push(id.to_owned());
                    }
                    match fault {
                        Some(Fault::TakeAndCut) => return Ok(()),
                        Some(_) => std::future::pending().await,
                        None => stream.write_all(answer(word)).await?,
                    }
                }
            }
            let body = word == Word::Data && fault.is_none();
            heard = self.hear(&mut stream, body).await?;
            word = match heard.get(..4).unwrap_or_default() {
                _ if body => Word::Body,
                "" => return Ok(()),
                "EHLO" => Word::Ehlo,
                "MAIL" => Word::Mail,
                "RCPT" => Word::Rcpt,
                "DATA" => Word::Data,
                _ => Word::Quit,
            };
        }
    }

    /// A line, or a letter up to its dot.
    async fn hear(&self, stream: &mut BufReader<TcpStream>, body: bool) -> std::io::Result<String> {
        let mut heard = String::new();
        loop {
            let came = stream.read_line(&mut heard).await?;
            // A letter's first lines have come, and no more of it is heard.
            if body && self.fault.lock().unwrap().is_some_and(|it| it == (Word::Body, Fault::CutMidway)) {
                *self.fault.lock().unwrap() = None;
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            if came == 0 || !body || heard.ends_with("\r\n.\r\n") {
                return Ok(heard);
            }
        }
    }
}

fn answer(word: Word) -> &'static [u8] {
    match word {
        Word::Greeting => b"220 mail.example.net ESMTP\r\n",
        Word::Ehlo => b"250-mail.example.net\r\n250 8BITMIME\r\n",
        Word::Data => b"354 go on\r\n",
        Word::Quit => b"221 2.0.0 bye\r\n",
        Word::Mail | Word::Rcpt | Word::Body => b"250 2.0.0 well\r\n",
    }
}

/// How many copies arrive of a letter whose first conversation fails so.
async fn copies(word: Word, fault: Fault) -> usize {
    let (server, port) = Server::start(word, fault).await;
    let office = Office::new().await;
    let patience = std::time::Duration::from_secs(2);
    let mailer = mailer(Transport::Smtp(SmtpSettings { timeout: patience, ..smtp(port) }));
    office.queue("ada@example.net").await;
    let first = office.step(&mailer).await;
    // A good-bye is not waited for; everything else is tried again later, and not before.
    let at_once = word == Word::Quit;
    let wanted = Outcome { sent: u32::from(at_once), retried: u32::from(!at_once), ..Outcome::default() };
    assert_eq!(first, wanted, "{word:?} {fault:?}");
    assert_eq!(office.step(&mailer).await, Outcome::default(), "{word:?} {fault:?}");
    assert!(server.fault.lock().unwrap().is_none(), "{word:?} {fault:?} never struck");
    if !at_once {
        office.clock.advance(Duration::minutes(2));
        assert_eq!(office.step(&mailer).await, Outcome { sent: 1, ..Outcome::default() }, "{word:?} {fault:?}");
    }
    assert_eq!(office.entry().await.state, State::Sent);
    office.clock.advance(Duration::days(2));
    assert_eq!(office.step(&mailer).await, Outcome::default());
    let taken = server.taken.lock().unwrap();
    assert!(taken.iter().all(|id| *id == taken[0]), "one letter has one Message-ID: {taken:?}");
    taken.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_arrives_once_whatever_word_is_lost_but_the_last() {
    let all = [Fault::Cut, Fault::Hang, Fault::NotNow, Fault::Never];
    let mut cases: Vec<_> = WORDS.into_iter().flat_map(|word| all.map(|fault| (word, fault))).collect();
    cases.push((Word::Body, Fault::CutMidway));
    // Side by side: most of the time is spent on waiting for a server that says nothing.
    let count = |(word, fault)| async move { ((word, fault), copies(word, fault).await) };
    for (case, copies) in futures_util::future::join_all(cases.into_iter().map(count)).await {
        assert_eq!(copies, 1, "{case:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_taken_without_a_word_arrives_twice_under_one_id() {
    assert_eq!(copies(Word::Body, Fault::TakeAndCut).await, 2);
    assert_eq!(copies(Word::Body, Fault::TakeAndHang).await, 2);
}

/// What Exim says, which gives no code of RFC 3463, and what others say of everything but the recipient.
const OF_OTHER_THINGS: [(Word, &str); 9] = [
    (Word::Mail, "550 Sender verify failed"),
    (Word::Mail, "553 sorry, that domain isn't allowed to send here"),
    (Word::Rcpt, "550 relay not permitted"),
    (
        Word::Rcpt,
        "550-Verification failed for <vpn@example.net>\r\n550-Called:   192.0.2.7\r\n550-Sent:     RCPT TO:<vpn@example.net>\r\n550-Response: 550 5.1.1 no such user\r\n550 Sender verify failed",
    ),
    (Word::Rcpt, "551 not local"),
    (Word::Rcpt, "550 5.0.0 no"),
    (Word::Data, "556 not now"),
    (Word::Body, "550 Administrative prohibition"),
    (Word::Body, "550 This message was classified as SPAM"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_does_not_name_the_recipient_kills_no_letter() {
    for (word, said) in OF_OTHER_THINGS {
        assert_eq!(copies(word, Fault::Refuse(said)).await, 1, "{word:?} {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_quoted_and_not_blamed_on_the_recipient() {
    let (_server, port) = Server::start(Word::Rcpt, Fault::Refuse("550 relay not permitted")).await;
    let office = Office::new().await;
    office.queue("ada@example.net").await;
    office.step(&mailer(Transport::Smtp(smtp(port)))).await;
    let note = office.entry().await.note.unwrap();
    assert!(note.contains("550") && note.contains("relay not permitted") && note.contains("mail.from"), "{note}");
    assert!(!note.contains("refused the recipient"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_names_the_recipient_is_final() {
    for said in ["550 5.1.1 no such user", "550-5.1.1 The account\r\n550 5.1.1 does not exist", "554 5.2.1 disabled"] {
        let (_server, port) = Server::start(Word::Rcpt, Fault::Refuse(said)).await;
        let office = Office::new().await;
        office.queue("ada@example.net").await;
        let outcome = office.step(&mailer(Transport::Smtp(smtp(port)))).await;
        assert_eq!(outcome, Outcome { dead: 1, ..Outcome::default() }, "{said}");
        assert!(office.entry().await.note.unwrap().contains("refused the recipient"));
    }
}
