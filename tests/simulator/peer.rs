//! The smallest API client that can be: it puts words on the socket and takes sentences off it, and judges nothing.
//! Written a third time, so that neither the client's nor the simulator's codec is believed on its own word.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer {
    pub socket: TcpStream,
    /// The bytes of the last sentence heard.
    pub raw: Vec<u8>,
}

/// `None` is the end of the connection.
pub type Heard = Option<Vec<String>>;

impl Peer {
    pub async fn connect(address: std::net::SocketAddr) -> Peer {
        Peer { socket: TcpStream::connect(address).await.unwrap(), raw: Vec::new() }
    }

    pub async fn logged_in(simulator: &turnpike::simulator::Simulator) -> Peer {
        let mut peer = Peer::connect(simulator.address()).await;
        let heard = peer.ask(&["/login", "=name=turnpike", "=password=router-password"]).await;
        assert_eq!(heard, [["!done"]]);
        peer
    }

    pub async fn send(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        for word in words {
            let size = word.len();
            match size {
                0..=0x7F => bytes.push(size as u8),
                0x80..=0x3FFF => bytes.extend(((size as u16) | 0x8000).to_be_bytes()),
                0x4000..=0x1F_FFFF => bytes.extend(&((size as u32) | 0xC0_0000).to_be_bytes()[1..]),
                0x20_0000..=0xFFF_FFFF => bytes.extend(((size as u32) | 0xE000_0000).to_be_bytes()),
                _ => panic!("too long a word for this peer"),
            }
            bytes.extend(word.as_bytes());
        }
        bytes.push(0);
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn byte(&mut self) -> Option<u8> {
        let byte = self.socket.read_u8().await.ok()?;
        self.raw.push(byte);
        Some(byte)
    }

    /// The next sentence, or the end of the connection.
    pub async fn hear(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, self.sentence()).await.expect("the router says nothing")
    }

    async fn sentence(&mut self) -> Heard {
        let mut words = Vec::new();
        self.raw.clear();
        loop {
            let first = self.byte().await?;
            let more = first.leading_ones().min(4);
            let mut size = if more == 4 { 0 } else { u32::from(first) & (0xFF >> (more + 1)) };
            for _ in 0..more {
                size = (size << 8) | u32::from(self.byte().await?);
            }
            if size == 0 {
                return Some(words);
            }
            let mut word = vec![0; size as usize];
            self.socket.read_exact(&mut word).await.ok()?;
            self.raw.extend(&word);
            words.push(String::from_utf8_lossy(&word).into_owned());
        }
    }

    /// Sends one command and hears everything up to `!done`, `!fatal` or the end of the connection.
    pub async fn ask(&mut self, words: &[&str]) -> Vec<Vec<String>> {
        self.send(words).await;
        self.answer().await
    }

    pub async fn answer(&mut self) -> Vec<Vec<String>> {
        let mut heard = Vec::new();
        while let Some(sentence) = self.hear().await {
            let last = sentence[0] == "!done" || sentence[0] == "!fatal";
            heard.push(sentence);
            if last {
                break;
            }
        }
        heard
    }

    /// As [`Peer::ask`], flattened to one line a sentence.
    pub async fn lines(&mut self, words: &[&str]) -> Vec<String> {
        self.ask(words).await.into_iter().map(|words| words.join(" ")).collect()
    }
}
