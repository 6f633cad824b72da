//! The mail server of the tests, as a program of its own; it ends when this end of its standard input is closed.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Long enough for a loaded machine; only a broken test waits it out.
const PATIENCE: Duration = Duration::from_mins(1);

/// How the server wants to be spoken to.
#[derive(Clone, Copy, Default)]
pub struct Wants<'a> {
    pub port: u16,
    pub tls: Option<&'static str>,
    pub identity: Option<&'a Identity>,
    pub login: Option<(&'static str, &'static str)>,
}

/// A certificate for `localhost`, and the authority that signed it.
pub struct Identity {
    folder: tempfile::TempDir,
    pub authority_pem: Vec<u8>,
}

impl Identity {
    pub fn new() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem().into_bytes();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), server.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { folder, authority_pem }
    }
}

pub struct Sink {
    pub port: u16,
    received: Receiver<Value>,
    child: Child,
    _alive: ChildStdin,
}

impl Sink {
    pub fn start(wants: Wants<'_>) -> Self {
        let mut command = python();
        command.args(["--port", &wants.port.to_string()]);
        if let (Some(tls), Some(identity)) = (wants.tls, wants.identity) {
            command.args(["--tls", tls, "--cert"]).arg(identity.folder.path().join("cert.pem"));
            command.arg("--key").arg(identity.folder.path().join("key.pem"));
        }
        if let Some((user, password)) = wants.login {
            command.args(["--user", user, "--password", password]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| no_python(&error));
        let alive = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, received) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if say.send(serde_json::from_str(&line).expect("the sink speaks JSON")).is_err() {
                    break;
                }
            }
        });
        let ready: Value = received.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("the test's mail server did not start (its reason is above); run ./test, which installs aiosmtpd")
        });
        let port = ready["port"].as_u64().unwrap().try_into().unwrap();
        Self { port, received, child, _alive: alive }
    }

    /// The next message that the server took over.
    pub fn next(&self) -> Value {
        self.received.recv_timeout(PATIENCE).expect("a message arrives")
    }

    /// Every message that the server has taken over so far and that was not asked for yet. What it takes over it tells in that
    /// order and before it says so: a letter of our own is behind all of them. Where neither TLS nor a login is wanted.
    pub fn rest(&self) -> Vec<Value> {
        self.deliver("the last one");
        let next = || Some(self.next()).filter(|it| it["subject"] != "the last one");
        std::iter::from_fn(next).collect()
    }

    /// A letter with that subject, by hand.
    fn deliver(&self, subject: &str) {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answers = BufReader::new(&socket).lines();
        for (says, wanted) in [
            ("", "220"),
            ("HELO localhost\r\n", "250"),
            ("MAIL FROM:<test@example.net>\r\n", "250"),
            ("RCPT TO:<test@example.net>\r\n", "250"),
            ("DATA\r\n", "354"),
            (&format!("Subject: {subject}\r\n\r\n.\r\n"), "250"),
            ("QUIT\r\n", "221"),
        ] {
            (&socket).write_all(says.as_bytes()).unwrap();
            let answer = answers.next().unwrap().unwrap();
            assert!(answer.starts_with(wanted), "{says:?}: {answer}");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Not listening any more when this returns: tests start it again on the same port.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A message file as Python's own parser understands it.
pub fn show(file: &Path) -> Value {
    let output = python().arg("--show").arg(file).output().unwrap_or_else(|error| no_python(&error));
    assert!(output.status.success(), "{}; run ./test", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn python() -> Command {
    let python = std::env::var("TURNPIKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/smtp_sink.py"));
    command
}

fn no_python<T>(error: &std::io::Error) -> T {
    panic!("Python does not start ({error}); run ./test, which sets TURNPIKE_PYTHON")
}
